"""From a person's own videos to a talking portrait: the project, its training, and where its video comes from."""

import os
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from gmbench import config
from gmbench.api.paths import PathLike, as_path
from gmbench.datasets.person.cutting import VideoReport, cut_videos
from gmbench.datasets.person.footage import look
from gmbench.datasets.splits import LEAST_OF_PERSON
from gmbench.emotions import KNOWN, canonical, in_name
from gmbench.errors import InputError
from gmbench.executor import given_scheduler
from gmbench.face.landmarks import backend
from gmbench.media import FPS, Video
from gmbench.names import closest
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import STORE, PipelineRun, write_json
from gmbench.store import Store, write_atomically

CLIPS = "clips"
SIZES = (64, 128, 256, 512)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
Progress = Callable[[int, int], None]


def add_person(
    name: str,
    videos: Sequence[PathLike],
    out: PathLike | None = None,
    *,
    emotions: Mapping[str, str] | None = None,
    size: int = 128,
    landmarks: str = "mediapipe",
    force: bool = False,
    progress: Progress | None = None,
) -> list[VideoReport]:
    """Make a project of one person's videos: clips of a sentence each, and ``params.yaml``.

    Args:
        name: of the person, letters, digits and hyphens.
        videos: with sound inside or beside them.
        out: folder of the project; one of the person's name by default.
        emotions: by path or file name of a video, or by the path of a further one; of the others the names of files
            and folders say it, and none is fine.
        size: side of the portrait in pixels.
        landmarks: backend that finds the face. With ``corpus``, for drawn people, pictures are taken as they are.
        force: replace the person's clips and the configuration that are there.
        progress: called with parts done and all parts of each piece of work.

    Returns:
        what became of each video.

    Raises:
        InputError: a name, size or label that cannot be; a video that cannot be used, with the reason; or something is
            there already. Nothing is written then.
    """
    folder = as_path(out) if out is not None else Path(name)
    files = [as_path(video) for video in videos]
    files += [Path(name) for name in emotions or {} if not _named(name, files) and Path(name).is_file()]
    _check(name, files, size)
    labels = _labels(files, emotions or {})
    clips, params = folder / CLIPS / name, folder / config.FILE
    if clips.exists() and not force:
        raise InputError(f"{clips}: there are clips of {name} already; give all videos at once with --force, or --out")
    config.check_unedited(params, force)
    if landmarks != "corpus":
        backend(landmarks).weights_sha256()  # a missing file stops here, not after minutes
    footages = [look(file, labels[file], landmarks, progress) for file in files]
    crop = "full" if landmarks == "corpus" else "anchor"
    clips.parent.mkdir(parents=True, exist_ok=True)
    reports = cut_videos(footages, clips, size, crop, progress)
    extractors = "corpus" if landmarks == "corpus" else "official"
    text = config.personal(name, root=CLIPS, size=size, landmarks=landmarks, extractors=extractors)
    write_atomically(params, text.encode())
    facts = {"person": name, "videos": [asdict(report) for report in reports]}
    write_json(folder / CLIPS / f"{name}.json", facts)
    return reports


def train_person(name: str, folder: PathLike | None = None, say: Callable[[str], None] | None = None) -> str:
    """Run a person's project from clips to the page; what is done already is taken from the store.

    Args:
        name: of the person.
        folder: of the project; the one here if its configuration has the person, else one of the person's name.
        say: called with a line per stage.

    Returns:
        how much of the clips was learnt from, in words.

    Raises:
        InputError: no such project, or a stage failed; before the first training step for everything that it lacks.
    """
    from gmbench.stages.whole_run import prepare, share_used, train_and_judge

    where = as_path(folder) if folder is not None else _project(name)
    if not (where / config.FILE).is_file():
        raise InputError(f"{where}: no project here; make one with 'gmbench person add {name} VIDEO --out {where}'")
    before = Path.cwd()
    os.chdir(where)
    try:
        params = config.load()
        if name not in params.datasets:
            raise InputError(f"{where / config.FILE}: no person {name!r}; {closest(name, params.datasets)}")
        store = Store(Path(os.environ.get("GMBENCH_STORE") or STORE))
        run = PipelineRun(params, DatasetPaths(name), store, given_scheduler())
        prepare(run, say or _nothing)
        train_and_judge(run, say or _nothing)
        return share_used(run)
    finally:
        os.chdir(before)


def _project(name: str) -> Path:
    """Folder of a person's project: this one, or one of the person's name in it."""
    if config.FILE.exists() and name in config.load().datasets:
        return Path()
    if (Path(name) / config.FILE).exists():
        return Path(name)
    raise InputError(f"no project of {name!r} here; make one with 'gmbench person add {name} VIDEO', or name its --dir")


def _nothing(line: str) -> None:
    del line


def _check(name: str, videos: Sequence[Path], size: int) -> None:
    if not _NAME.fullmatch(name) or any(canonical(part) for part in name.split("-")):
        raise InputError(
            f"name {name!r}: expected letters a to z, digits and hyphens, and no emotion, as in {_like(name)}"
        )
    if size not in SIZES:
        raise InputError(f"size {size}: expected one of {', '.join(map(str, SIZES))}")
    if not videos:
        raise InputError("no video is named")
    frames = sum(Video(video).info.frames for video in videos)
    if frames < LEAST_OF_PERSON:
        raise InputError(
            f"{videos[0]}: {frames / FPS:.0f} s of video in all; at least {LEAST_OF_PERSON / FPS:.0f} s are needed,"
            " and 3 minutes are good"
        )
    if twice := next((video for video in videos if videos.count(video) > 1), None):
        raise InputError(f"{twice}: named twice; name each video once")


def _named(name: str, videos: Sequence[Path]) -> list[Path]:
    """The videos of a path, or else of a name with or without suffix."""
    same = [video for video in videos if str(video) == name]
    return same or [video for video in videos if name in (video.name, video.stem)]


def _like(name: str) -> str:
    """A name that is possible, as near as can be to one that is not."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = [word for word in re.split(r"[^A-Za-z0-9]+", plain) if word and not canonical(word)]
    return "-".join(words) or "anna"


def _labels(videos: Sequence[Path], given: Mapping[str, str]) -> dict[Path, str]:
    """Emotion of each video: as given, else what its name or its folder's says, else none."""
    labels = {video: in_name(re.sub(r"[-. ]", "_", f"{video.parent.name}/{video.stem}")) for video in videos}
    for name, label in given.items():
        chosen = _named(name, videos)
        if not chosen:
            raise InputError(
                f"--emotion: {name!r} is no file and none of the videos; {closest(name, [v.name for v in videos])}"
            )
        if len(chosen) > 1:
            raise InputError(f"--emotion: {name!r} could be {chosen[0]} or {chosen[1]}; give its path")
        if not canonical(label):
            raise InputError(f"--emotion: {label!r} is unknown; {closest(label, KNOWN)}")
        labels |= dict.fromkeys(chosen, canonical(label))
    return labels
