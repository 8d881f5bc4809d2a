"""From folders and tables on the command line to pairs of clips by method."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gmbench.clips import Clip, Pair, find_clips, label, match, read_pairs, with_audio_folder
from gmbench.errors import InputError


@dataclass(frozen=True)
class Inputs:
    """Pairs by method, all references (pairs without a generated side), a name for the dataset, warnings."""

    methods: dict[str, list[Pair]]
    references: tuple[Pair, ...]
    dataset: str
    warnings: tuple[str, ...] = ()


def gather(
    videos: Sequence[str],
    names: Sequence[str] = (),
    reference: Path | None = None,
    audio: Path | None = None,
    pairs: Path | None = None,
    labels: Path | None = None,
    dataset: str | None = None,
) -> Inputs:
    """Read folders and tables.

    Args:
        videos: ``NAME=DIR`` or ``DIR``, one per method.
        names: names of the methods in the order of ``videos``, for those that have none yet.
        reference: folder of real clips; audio: folder of sounds by the same names.
        pairs: a table of pairs instead of folders (see :func:`gmbench.clips.read_pairs`).
        labels: a table of speakers and emotions.
        dataset: name in records; the name of the reference by default.

    Raises:
        InputError: with the remedy.
    """
    warnings: list[str] = []
    real: dict[str, Clip] = {}
    if pairs is not None:
        if videos or reference:
            raise InputError("--pairs lists all files itself; leave out --videos and --reference")
        methods, default = read_pairs(pairs), pairs.stem
        if names and len(names) == len(methods) == 1:
            methods = {names[0]: next(iter(methods.values()))}
        listed = {pair.clip: pair for group in methods.values() for pair in group if pair.reference}
        references = [replace(pair, generated=None) for pair in listed.values()]
    else:
        folders = _folders(videos, names)
        if not folders and reference is None:
            raise InputError("nothing to evaluate: pass --videos DIR (or NAME=DIR), or --pairs FILE")
        if reference is not None:
            real = _references(reference, audio)
        methods = {}
        for name, folder in folders.items():
            methods[name], notes = _pairs(folder, real or None, audio)
            warnings += notes
        references = [Pair(name, None, clip, (), clip.speaker, clip.emotion) for name, clip in real.items()]
        default = (reference or next(iter(folders.values()))).resolve().name
    if labels is not None:
        methods = {name: label(group, labels) for name, group in methods.items()}
        references = label(references, labels)
    return Inputs(methods, tuple(references), dataset or default, tuple(warnings))


def _references(folder: Path, audio: Path | None) -> dict[str, Clip]:
    """Clips of the reference that have a picture."""
    clips = {name: clip for name, clip in find_clips(folder).items() if clip.video is not None}
    if not clips:
        raise InputError(f"{folder}: only sound, no videos to compare with")
    return clips if audio is None else with_audio_folder(clips, audio)


def _pairs(folder: Path, real: dict[str, Clip] | None, audio: Path | None) -> tuple[list[Pair], list[str]]:
    clips = find_clips(folder)
    if audio is not None:
        clips = with_audio_folder(clips, audio)
    return match(clips, real, str(folder))


def _folders(videos: Sequence[str], names: Sequence[str]) -> dict[str, Path]:
    """Folders by method name."""
    spare = list(names)
    result: dict[str, Path] = {}
    for entry in videos:
        name, mark, folder = entry.partition("=")
        if not mark or "/" in name or Path(entry).exists():
            path = Path(entry)
            name = spare.pop(0) if spare else path.resolve().name
        else:
            path = Path(folder)
        if name in result:
            raise InputError(f"two methods are called {name!r}; name them with --videos NAME=DIR")
        result[name] = path
    if spare:
        raise InputError(f"--method {spare[0]}: no folder left for this name; pass one --videos per method")
    return result
