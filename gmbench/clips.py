"""Clips: what there is to compare, found in folders or listed in a table."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from gmbench.emotions import in_name
from gmbench.errors import InputError
from gmbench.face.faces import SIDECAR_SUFFIX
from gmbench.media import AUDIO_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES
from gmbench.names import check_clip_name, closest, flat

SAMPLE_MARK = "@"
"""``<clip>@2.mp4`` is another sample of ``<clip>.mp4``."""


@dataclass(frozen=True)
class Clip:
    """One clip of a folder.

    Attributes:
        clip: name, ``/``-separated path without suffix below the folder.
        video: file, or folder of images; None where only sound was found.
        audio: separate file of the sound, if there is one.
        landmarks: file of landmarks from outside, if there is one.
        speaker, emotion: labels, empty where unknown.
    """

    clip: str
    video: Path | None
    audio: Path | None = None
    landmarks: Path | None = None
    speaker: str = ""
    emotion: str = ""


@dataclass(frozen=True)
class Pair:
    """A generated clip beside its reference; either may be absent.

    ``samples`` are further generated ones; ``reason`` says why there is no generated one, where that is known.
    """

    clip: str
    generated: Clip | None
    reference: Clip | None
    samples: tuple[Clip, ...] = ()
    speaker: str = ""
    emotion: str = ""
    reason: str = ""


def find_clips(folder: Path) -> dict[str, Clip]:
    """All clips below a folder: videos, folders of images, and the sound and landmarks beside them.

    The first folder of a nested name is the speaker; an emotion that a part of the name says is the clip's.

    Raises:
        InputError: no such folder, nothing in it, or two videos of one name.
    """
    if not folder.exists():
        raise InputError(f"{folder}: no such folder")
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of videos, got a file")
    videos: dict[str, Path] = {}
    sounds: dict[str, Path] = {}
    landmarks: dict[str, Path] = {}
    frame_folders = {path for path in folder.rglob("*") if path.is_dir() and _is_frame_folder(path)}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts):
            continue
        suffix = path.suffix.lower()
        name = relative.with_suffix("").as_posix()
        if path.name.endswith(SIDECAR_SUFFIX):
            landmarks[relative.as_posix().removesuffix(SIDECAR_SUFFIX)] = path
        elif path.is_dir():
            if path in frame_folders:
                _add(videos, relative.as_posix(), path)
        elif suffix in VIDEO_SUFFIXES:
            _add(videos, name, path)
        elif suffix in AUDIO_SUFFIXES:
            sounds[relative.parent.as_posix() if path.parent in frame_folders else name] = path
    names = sorted(videos.keys() | sounds.keys())
    if not names:
        kinds = ", ".join(sorted(VIDEO_SUFFIXES))
        raise InputError(f"{folder}: no videos found (looked for {kinds} and folders of images)")
    return {
        name: Clip(
            check_clip_name(name, str(folder)), videos.get(name), sounds.get(name), landmarks.get(name),
            speaker=name.split("/")[0] if "/" in name else "", emotion=in_name(name),
        )
        for name in names
    }  # fmt: skip


def match(generated: dict[str, Clip], reference: dict[str, Clip] | None, where: str) -> tuple[list[Pair], list[str]]:
    """Pair generated clips with references by name (nested or flat form).

    Args:
        generated: clips of one method by name.
        reference: clips of the reference, or None to score the generated ones alone.
        where: the method's folder, for messages.

    Returns:
        one pair per reference clip (generated is None where the method lacks it), and a warning for
        each generated clip without a reference.

    Raises:
        InputError: no name matches; the message shows the nearest.
    """
    firsts = {name: clip for name, clip in generated.items() if not _is_sample(name, generated)}
    if reference is None:
        return [
            Pair(name, clip, None, _samples(name, generated), clip.speaker, clip.emotion)
            for name, clip in firsts.items()
        ], []
    by_flat = {flat(name): name for name in firsts}
    pairs = []
    used = set()
    for name, target in reference.items():
        if target.video is None:
            continue
        generated_name = name if name in firsts else by_flat.get(flat(name))
        if generated_name is not None:
            used.add(generated_name)
        clip = firsts[generated_name] if generated_name else None
        samples = _samples(generated_name, generated) if generated_name else ()
        pairs.append(Pair(name, clip, target, samples, target.speaker, target.emotion))
    if not used:
        example = next(iter(firsts))
        raise InputError(
            f"{where}: no clip has the name of a reference (for example {example!r}: "
            f"{closest(example, reference)}); rename the files or list them with --pairs"
        )
    warnings = [f"{where}: {name} has no reference and is not scored" for name in firsts if name not in used]
    return pairs, warnings


def with_audio_folder(clips: dict[str, Clip], folder: Path) -> dict[str, Clip]:
    """The clips with the sound files of another folder, matched by name."""
    sounds = {flat(name): clip.audio or clip.video for name, clip in find_clips(folder).items()}
    return {
        name: replace(clip, audio=sounds.get(flat(name.split(SAMPLE_MARK)[0]), clip.audio))
        for name, clip in clips.items()
    }


def read_pairs(path: Path) -> dict[str, list[Pair]]:
    """Pairs from a table (CSV), by method.

    Columns: ``clip``, ``generated``; optionally ``method``, ``reference``, ``audio``, ``landmarks``,
    ``reference_audio``, ``reference_landmarks``, ``speaker``, ``emotion``. Paths are relative to the
    table's folder.

    Raises:
        InputError: the table cannot be read, lacks a column, repeats a clip, or names one that leaves its folder.
    """
    table = _read_table(path)
    missing = {"clip", "generated"} - set(table.columns)
    if missing:
        raise InputError(f"{path}: column {', '.join(sorted(missing))} is missing; found {', '.join(table.columns)}")
    result: dict[str, list[Pair]] = {}
    for line, row in enumerate(table.to_dict("records"), start=2):
        where = f"{path}, line {line}"
        name = check_clip_name(row["clip"], where)

        def file(column: str, row: dict[Any, Any] = row) -> Path | None:
            return path.parent / row[column] if row.get(column) else None

        labels = {"speaker": row.get("speaker", ""), "emotion": row.get("emotion", "")}
        video, target = file("generated"), file("reference")
        generated = Clip(name, video, file("audio"), file("landmarks"), **labels) if video else None
        reference = (
            Clip(name, target, file("reference_audio"), file("reference_landmarks"), **labels) if target else None
        )
        pairs = result.setdefault(row.get("method") or "ours", [])
        if any(pair.clip == name for pair in pairs):
            raise InputError(f"{where}: clip {name!r} stands twice for one method")
        pairs.append(Pair(name, generated, reference, (), **labels))
    if not result:
        raise InputError(f"{path}: no rows")
    return result


def label(pairs: Iterable[Pair], path: Path) -> list[Pair]:
    """Pairs with ``speaker`` and ``emotion`` from a table with a column ``clip``."""
    table = _read_table(path)
    if "clip" not in table.columns:
        raise InputError(f"{path}: column clip is missing; found {', '.join(table.columns)}")
    rows = {flat(row["clip"]): row for row in table.to_dict("records")}
    return [
        replace(
            pair,
            speaker=rows.get(flat(pair.clip), {}).get("speaker", pair.speaker),
            emotion=rows.get(flat(pair.clip), {}).get("emotion", pair.emotion),
        )
        for pair in pairs
    ]


def _read_table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such table") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable CSV table ({error})") from error


def _add(videos: dict[str, Path], name: str, path: Path) -> None:
    if name in videos:
        raise InputError(f"{path}: the same clip as {videos[name].name}; keep one of them")
    videos[name] = path


def _is_frame_folder(path: Path) -> bool:
    """A folder whose files are images, and perhaps their sound; not one with videos among them."""
    suffixes = {p.suffix.lower() for p in path.iterdir() if p.is_file() and not p.name.startswith(".")}
    return bool(suffixes & IMAGE_SUFFIXES) and not suffixes & VIDEO_SUFFIXES


def _is_sample(name: str, clips: dict[str, Clip]) -> bool:
    base, mark, number = name.rpartition(SAMPLE_MARK)
    return bool(mark) and number.isdigit() and base in clips


def _samples(name: str, clips: dict[str, Clip]) -> tuple[Clip, ...]:
    return tuple(clip for other, clip in clips.items() if _is_sample(other, clips) and other.rpartition("@")[0] == name)
