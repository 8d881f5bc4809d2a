"""Readers: from a folder in a dataset's own layout to rows and problems. Nothing is fetched."""

import csv
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gmbench import plugins
from gmbench.clips import find_clips
from gmbench.datasets import splits
from gmbench.datasets.manifest import TEST, TRAIN, ClipRow, Found, Problem, clip_id, with_split
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import GmbenchError, InputError
from gmbench.media import VIDEO_SUFFIXES, Video

_MEAD = re.compile(r"^[MW]\d{3}$")
_UNSEEN = re.compile(r"^[MW][5-9]\d{2}$")
"""Numbers of the synthetic corpus' unseen people, from :data:`gmbench.corpus.takes.FIRST_UNSEEN` on."""
_CREMA = re.compile(r"^(\d{4})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX|X)$")
_HDTF = re.compile(r"^((?:RD|WDA|WRA).*)_(\d+)$")
_LSP = re.compile(r"^lsp\d$")
_VOX_SPEAKER = re.compile(r"^id\d{5}$")
CREMA_EMOTIONS = {"ANG": "angry", "DIS": "disgusted", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
CREMA_SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
CREMA_LEVELS = {"XX": 0, "X": 0, "LO": 1, "MD": 2, "HI": 3}
MEAD_EMOTIONS = SUITE_ORDER
"""MEAD's folders bear the suite's eight names."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset: how to read it, and whom to ask for it; an entry point of group ``gmbench.datasets`` declares one.

    Attributes:
        name: as ``kind`` in ``params.yaml``, and as ``gmbench data check --dataset`` has it.
        read: from the root and the dataset's name to its clips and to what is wrong with its files.
        obtain: where the user gets it, with the terms.
        emotions: its labels in gmbench's order; empty for unlabelled ones.
        crop: default side of crops in pixels.
        recognises: whether a folder has its layout, for ``gmbench data check`` without ``--dataset``.
    """

    name: str
    read: Callable[[Path, str], Found]
    obtain: str
    emotions: tuple[str, ...] = ()
    crop: int = 256
    recognises: Callable[[Path], bool] = lambda root: False


def read(name: str, root: Path) -> Found:
    """Clips and problems of a dataset below a root.

    Raises:
        InputError: unknown dataset, no folder there, nothing in it (the message says whom to ask), or the reader of
            another package failed.
    """
    kind = dataset(name)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder. {kind.obtain}")
    found = _read(kind, root)
    if not found.rows and not found.problems:
        raise InputError(f"{root}: nothing in the layout of {name}. {kind.obtain}")
    return found


def _read(kind: Dataset, root: Path) -> Found:
    """What a reader finds; the failure of another package's reader is its own."""
    if kind.name in DATASETS.built_in:
        return kind.read(root, kind.name)
    try:
        found = kind.read(root, kind.name)
        if not isinstance(found, Found):
            raise TypeError(f"expected Found, got {type(found).__name__}")
    except GmbenchError:
        raise
    except Exception as error:
        package, reason = DATASETS.package(kind.name), plugins.explain(error)
        _log.debug("reader of %s", kind.name, exc_info=True)
        raise InputError(f"{root}: the reader of dataset {kind.name!r}, of {package}, failed ({reason})") from error
    return found


def dataset(name: str) -> Dataset:
    """The dataset of a name; raises InputError with the nearest known name."""
    return DATASETS.get(name)


def known_dataset(name: str) -> str:
    """The name unchanged, for the fields of configurations; raises ValueError, as pydantic wants it, if unknown."""
    try:
        return dataset(name).name
    except InputError as error:
        raise ValueError(str(error)) from error


def recognise(root: Path) -> str:
    """The dataset whose layout a folder has; ``folder`` where none fits."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    return next((kind.name for kind in DATASETS.all().values() if _recognises(kind, root)), "folder")


def _recognises(kind: Dataset, root: Path) -> bool:
    if kind.name in DATASETS.built_in:
        return kind.recognises(root)
    try:
        return bool(kind.recognises(root))
    except Exception as error:
        plugins.warn(plugins.DATASETS, kind.name, f"{DATASETS.package(kind.name)}: {plugins.explain(error)}")
        return False


def _drawn(root: Path) -> bool:
    """Whether a folder is a synthetic corpus."""
    return (root / "truth" / "clips.parquet").exists()


def _has_folder(pattern: re.Pattern[str]) -> Callable[[Path], bool]:
    """Whether a folder has an entry of such a name."""
    return lambda root: any(pattern.match(path.name) for path in root.iterdir())


def _has_video(pattern: re.Pattern[str]) -> Callable[[Path], bool]:
    """Whether a folder has a video of such a name."""
    return lambda root: any(
        pattern.match(path.stem) for path in root.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES
    )


def parse_mead(relative: str) -> tuple[str, str, int, str]:
    """``<id>/video/front/<emotion>/level_<L>/<NNN>.mp4`` to speaker, emotion, level, number; InputError otherwise."""
    parts = Path(relative).with_suffix("").parts
    good = len(parts) == 6 and _MEAD.match(parts[0]) and parts[1:3] == ("video", "front")
    if (
        not good
        or parts[3] not in MEAD_EMOTIONS
        or not re.match(r"^level_[123]$", parts[4])
        or not re.match(r"^\d{3}$", parts[5])
    ):
        raise InputError(f"{relative}: expected <id>/video/front/<emotion>/level_<1-3>/<NNN>.mp4")
    level = int(parts[4][-1])
    if parts[3] == "neutral" and level != 1:
        raise InputError(f"{relative}: neutral exists at level 1 only")
    return parts[0], parts[3], level, parts[5]


def parse_crema(stem: str) -> tuple[str, str, str, int]:
    """``1001_DFA_ANG_XX`` to actor, sentence, emotion, level (0 for XX); InputError otherwise."""
    match = _CREMA.match(stem)
    if match is None or match[2] not in CREMA_SENTENCES or match[3] not in CREMA_EMOTIONS:
        raise InputError(f"{stem}: expected <actor>_<sentence>_<emotion>_<level>, such as 1001_DFA_ANG_XX")
    return match[1], match[2], CREMA_EMOTIONS[match[3]], CREMA_LEVELS[match[4]]


def _mead(root: Path, name: str) -> Found:
    found = _mead_tree(root, name)
    return Found(splits.mead_eat(found.rows), found.problems)


def _synth(root: Path, name: str) -> Found:
    found = _mead_tree(root, name)
    return Found(splits.last_sentences(found.rows, 1), found.problems)


def _synth_unseen(root: Path, name: str) -> Found:
    """People of the synthetic corpus whom nothing is trained on: all clips are test clips."""
    found = _mead_tree(root, name)
    return Found([with_split(row, TEST) for row in found.rows], found.problems)


def _mead_tree(root: Path, name: str) -> Found:
    """All clips of a folder in MEAD's layout, not yet split."""
    found = Found([], [])
    for path in sorted(root.glob("*/video/front/*/*/*")):
        relative = path.relative_to(root).as_posix()
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            continue
        try:
            speaker, emotion, level, number = parse_mead(relative)
        except InputError as error:
            found.problems.append(Problem(relative, "name", str(error)))
            continue
        audio = f"{speaker}/audio/{emotion}/level_{level}/{number}.m4a"
        if not (root / audio).exists():
            found.problems.append(Problem(audio, "missing", f"no sound for {relative}"))
            continue
        identifier = clip_id(name, speaker, emotion, level, number)
        found.rows.append(ClipRow(identifier, name, speaker, emotion, level, number, relative, audio))
    return found


def _crema(root: Path, name: str) -> Found:
    found = Found([], [])
    for path in sorted(root.glob("VideoFlash/*")):
        relative = path.relative_to(root).as_posix()
        try:
            actor, sentence, emotion, level = parse_crema(path.stem)
        except InputError as error:
            found.problems.append(Problem(relative, "name", str(error)))
            continue
        audio = f"AudioWAV/{path.stem}.wav"
        if not (root / audio).exists():
            found.problems.append(Problem(audio, "missing", f"no sound for {relative}"))
            continue
        take = f"{sentence}-{path.stem.rsplit('_', 1)[1]}"
        identifier = clip_id(name, actor, emotion, level, take)
        found.rows.append(ClipRow(identifier, name, actor, emotion, level, take, relative, audio))
    return Found(splits.crema(found.rows, _sexes(root / "VideoDemographics.csv")), found.problems)


def _sexes(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row.get("ActorID", ""): row.get("Sex", "") for row in csv.DictReader(file)}


def _sequences(root: Path, name: str) -> Found:
    """Long videos of one person each: the first 80 % of the frames train, the rest tests."""
    found = Found([], [])
    for path in sorted(p for p in root.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES):
        audio = path.with_suffix(".wav")
        try:
            frames = Video(path).info.frames
        except GmbenchError as error:
            found.problems.append(Problem(path.name, "corrupt", str(error)))
            continue
        cut = int(frames * splits.SEQUENCE_TRAIN_SHARE)
        for split, first, count in ((TRAIN, 0, cut), (TEST, cut, frames - cut)):
            identifier = clip_id(name, path.stem, "neutral", 0, split)
            sound = audio.name if audio.exists() else ""
            found.rows.append(
                ClipRow(identifier, name, path.stem, "neutral", 0, split, path.name, sound, first, count, split)
            )
    return found


def _hdtf(root: Path, name: str) -> Found:
    found = Found([], [])
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES):
        relative = path.relative_to(root).as_posix()
        match = _HDTF.match(path.stem)
        if match is None:
            found.problems.append(Problem(relative, "name", "expected <RD|WDA|WRA>..._<index>.mp4"))
            continue
        sound = path.with_suffix(".wav")
        audio = sound.relative_to(root).as_posix() if sound.exists() else ""
        identifier = clip_id(name, match[1], "neutral", 0, match[2])
        found.rows.append(ClipRow(identifier, name, match[1], "neutral", 0, match[2], relative, audio))
    return Found(splits.last_sentences(found.rows, 1), found.problems)


def _vox_videos(root: Path) -> Iterator[Path]:
    for pattern in ("mp4/id*/*/*.mp4", "*/mp4/id*/*/*.mp4"):
        yield from root.glob(pattern)


def _voxceleb2(root: Path, name: str) -> Found:
    found = Found([], [])
    for path in sorted(_vox_videos(root)):
        relative = path.relative_to(root)
        speaker, video, stem = path.parts[-3], path.parts[-2], path.stem
        if not _VOX_SPEAKER.match(speaker) or not re.match(r"^\d{5}$", stem):
            found.problems.append(
                Problem(relative.as_posix(), "name", "expected mp4/id<5 digits>/<video>/<5 digits>.mp4")
            )
            continue
        base = relative.parts[:-4]
        audio = Path(*base, "aac", speaker, video, f"{stem}.m4a")
        if not (root / audio).exists():
            found.problems.append(Problem(audio.as_posix(), "missing", f"no sound for {relative.as_posix()}"))
            continue
        sentence = f"{video}-{stem}"
        split = TEST if "test" in base else TRAIN
        identifier = clip_id(name, speaker, "", 0, sentence)
        found.rows.append(
            ClipRow(identifier, name, speaker, "", 0, sentence, relative.as_posix(), audio.as_posix(), split=split)
        )
    return found


def _folder(root: Path, name: str) -> Found:
    """Any videos: the first folder, or the file's own name, is the speaker; all are test clips."""
    found = Found([], [])
    folder = find_clips(root).beside(())
    for clip, item in folder.clips.items():
        if item.video is None:
            found.problems.append(Problem(clip, "missing", "sound without a video of that name"))
            continue
        speaker = item.speaker or clip
        sentence = clip.replace("/", "-")
        audio = item.audio.relative_to(root).as_posix() if item.audio else ""
        identifier = clip_id(name, speaker, "", 0, sentence)
        found.rows.append(
            ClipRow(
                identifier, name, speaker, "", 0, sentence, item.video.relative_to(root).as_posix(), audio, split=TEST
            )
        )
    return found


def _built_in() -> tuple[Dataset, ...]:
    return (
        Dataset(
            name="synth_unseen", read=_synth_unseen, emotions=SUITE_ORDER, crop=128,
            recognises=lambda root: _drawn(root) and _has_folder(_UNSEEN)(root),
            obtain="Make it with 'gmbench corpus make --unseen-speakers 2'; it lies in the corpus' folder 'unseen'.",
        ),
        Dataset(
            name="synth", read=_synth, emotions=SUITE_ORDER, crop=128, recognises=_drawn,
            obtain="Make it with 'gmbench corpus make'.",
        ),
        Dataset(name="pretraining", read=_voxceleb2, crop=128, obtain="Make it with 'gmbench corpus make'."),
        Dataset(
            name="mead", read=_mead, emotions=MEAD_EMOTIONS, crop=512, recognises=_has_folder(_MEAD),
            obtain="MEAD is given for research by its project (wywu.github.io/projects/MEAD): ask there.",
        ),
        Dataset(
            name="crema_d", read=_crema, emotions=tuple(CREMA_EMOTIONS.values()),
            recognises=lambda root: (root / "VideoFlash").exists() or (root / "AudioWAV").exists(),
            obtain="CREMA-D (Open Database License) is at github.com/CheyneyComputerScience/CREMA-D; register there.",
        ),
        Dataset(
            name="voxceleb2", read=_voxceleb2,
            recognises=lambda root: any((root / part).exists() for part in ("dev", "test", "mp4"))
            and any(_vox_videos(root)),
            obtain="VoxCeleb2 is requested from the VoxCeleb project (robots.ox.ac.uk/~vgg/data/voxceleb).",
        ),
        Dataset(
            name="hdtf", read=_hdtf, crop=512, recognises=_has_video(_HDTF),
            obtain="HDTF publishes lists of videos (github.com/MRzzm/HDTF, CC BY 4.0); the user fetches the videos.",
        ),
        Dataset(
            name="lsp", read=_sequences, crop=512, recognises=_has_video(_LSP),
            obtain="The target videos belong to the Live Speech Portraits project: ask there, name them lsp1 to lsp5.",
        ),
        Dataset(
            name="folder", read=_folder, obtain="Put videos into the folder, in one folder per speaker if you like."
        ),
    )  # fmt: skip


DATASETS = plugins.Registry(plugins.DATASETS, Dataset, _built_in)
