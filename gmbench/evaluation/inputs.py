"""From folders and tables on the command line to pairs of clips by method."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gmbench.clips import Clip, Pair, find_clips, label, match, read_pairs, with_audio_folder
from gmbench.errors import InputError


@dataclass(frozen=True)
class Inputs:
    """Pairs by method, whether there is a reference, a name for the dataset, and warnings."""

    methods: dict[str, list[Pair]]
    has_reference: bool
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
        videos: ``NAME=DIR`` or ``DIR``, one a method.
        names: names of the methods in the order of ``videos``, for those that have none yet.
        reference: folder of real clips; audio: folder of sounds by the same names.
        pairs: a table of pairs instead of folders (see :func:`gmbench.clips.read_pairs`).
        labels: a table of speakers and emotions.
        dataset: name in records; the name of the reference by default.

    Raises:
        InputError: with the remedy.
    """
    warnings: list[str] = []
    if pairs is not None:
        if videos or reference:
            raise InputError("--pairs lists all files itself; leave out --videos and --reference")
        listed = read_pairs(pairs)
        if names and len(names) == len(listed) == 1:
            listed = {names[0]: next(iter(listed.values()))}
        methods = listed
        has_reference = any(pair.reference for group in listed.values() for pair in group)
        default = pairs.stem
    else:
        folders = _folders(videos, names)
        real = None if reference is None else find_clips(reference)
        if real is not None and not any(clip.video for clip in real.values()):
            raise InputError(f"{reference}: only sound, no videos to compare with")
        if real is not None and audio is not None:
            real = with_audio_folder(real, audio)
        methods = {}
        for name, folder in folders.items():
            methods[name], notes = _pairs(folder, real, audio)
            warnings += notes
        has_reference = real is not None
        default = (reference or next(iter(folders.values()))).resolve().name
    if labels is not None:
        methods = {name: label(group, labels) for name, group in methods.items()}
    return Inputs(methods, has_reference, dataset or default, tuple(warnings))


def _pairs(folder: Path, real: dict[str, Clip] | None, audio: Path | None) -> tuple[list[Pair], list[str]]:
    clips = find_clips(folder)
    if audio is not None:
        clips = with_audio_folder(clips, audio)
    return match(clips, real, str(folder))


def _folders(videos: Sequence[str], names: Sequence[str]) -> dict[str, Path]:
    """Folders by method name."""
    if not videos:
        raise InputError("nothing to evaluate: pass --videos DIR (or NAME=DIR), or --pairs FILE")
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
        raise InputError(f"--method {spare[0]}: no folder left for this name; pass one --videos a method")
    return result
