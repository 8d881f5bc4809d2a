"""From folders and tables on the command line to pairs of clips by method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gmbench.clips import (
    ClipFolder,
    Labels,
    Pair,
    SoundFolder,
    find_clips,
    match,
    read_labels,
    read_pairs,
    unknown_emotions,
)
from gmbench.errors import InputError
from gmbench.names import counted, some


@dataclass(frozen=True)
class Inputs:
    """Pairs by method, all references (pairs without a generated side), a name for the dataset, warnings."""

    methods: dict[str, list[Pair]]
    references: tuple[Pair, ...]
    dataset: str
    warnings: tuple[str, ...] = ()


def gather(
    videos: Sequence[str] | Mapping[str, Path],
    names: Sequence[str] = (),
    reference: Path | None = None,
    audio: Path | None = None,
    pairs: Path | None = None,
    labels: Path | None = None,
    dataset: str | None = None,
) -> Inputs:
    """Read folders and tables.

    Args:
        videos: folders by method, or ``NAME=DIR`` or ``DIR``, one per method.
        names: names of the methods in the order of ``videos``, for those that have none yet.
        reference: folder of real clips; audio: folder of sounds by the same names.
        pairs: a table of pairs instead of folders (see :func:`gmbench.clips.read_pairs`).
        labels: a table of speakers and emotions.
        dataset: name in records; the name of the reference by default.

    Raises:
        InputError: with the remedy.
    """
    sounds = SoundFolder.read(audio) if audio is not None else None
    if pairs is not None:
        if videos or reference or audio:
            raise InputError("--pairs lists all files itself; leave out --videos, --reference and --audio")
        inputs = _listed(pairs, names)
    else:
        folders = dict(videos) if isinstance(videos, Mapping) else _folders(videos, names)
        inputs = _found(folders, reference, sounds)
    if labels is not None:
        inputs = _labelled(inputs, read_labels(labels))
    source = str(labels or pairs or "emotions in the names of clips")
    everything = [*inputs.references, *(pair for group in inputs.methods.values() for pair in group)]
    notes = [*inputs.warnings, *(sounds.finish() if sounds else ()), *unknown_emotions(everything, source)]
    return replace(inputs, dataset=dataset or inputs.dataset, warnings=tuple(notes))


def limited(inputs: Inputs, most: int | None) -> Inputs:
    """The first so many clips, the same of every method, with a warning that names them; None for all."""
    listed = [*inputs.references, *(pair for group in inputs.methods.values() for pair in group)]
    names = list(dict.fromkeys(pair.clip for pair in listed))
    if most is None or len(names) <= most:
        return inputs
    kept = set(names[:most])
    return replace(
        inputs,
        methods={method: [pair for pair in group if pair.clip in kept] for method, group in inputs.methods.items()},
        references=tuple(pair for pair in inputs.references if pair.clip in kept),
        warnings=(*inputs.warnings, f"--limit: {most} of {len(names)} clips, {names[0]} to {names[most - 1]}"),
    )


def _listed(table: Path, names: Sequence[str]) -> Inputs:
    """What a table of pairs lists."""
    listed = read_pairs(table)
    methods = listed.methods
    if names and len(names) == len(methods) == 1:
        methods = {names[0]: next(iter(methods.values()))}
    references = {pair.clip: pair for group in methods.values() for pair in group if pair.reference}
    return Inputs(
        methods, tuple(replace(pair, generated=None) for pair in references.values()), table.stem, listed.notes
    )


def _found(folders: dict[str, Path], reference: Path | None, sounds: SoundFolder | None) -> Inputs:
    """What lies in folders, those of the methods beside that of the references."""
    if not folders and reference is None:
        raise InputError("nothing to evaluate: pass --videos DIR (or NAME=DIR), or --pairs FILE")
    generated = {name: find_clips(folder) for name, folder in folders.items()}
    real = find_clips(reference).beside(generated.values()) if reference is not None else None
    generated = {name: clips.beside([real] if real else []) for name, clips in generated.items()}
    if sounds is not None:
        real = sounds.give(real) if real else None
        generated = {name: sounds.give(clips) for name, clips in generated.items()}
    warnings = [note for clips in (real, *generated.values()) if clips for note in clips.notes]
    references = _references(real, warnings) if real else ()
    methods = {}
    for name, clips in generated.items():
        methods[name], notes = match(clips, real)
        warnings += notes
    default = (reference or next(iter(folders.values()))).resolve().name
    return Inputs(methods, references, default, tuple(warnings))


def _references(real: ClipFolder, warnings: list[str]) -> tuple[Pair, ...]:
    """Clips of the reference that have a picture; raises InputError where there are none."""
    seen = [clip for clip in real.clips.values() if clip.video is not None]
    if not seen:
        raise InputError(f"{real.root}: only sound, no videos to compare with")
    deaf = [name for name, clip in real.clips.items() if clip.video is None]
    if deaf:
        warnings.append(
            f"{real.root}: {counted(len(deaf), 'sound')} without a video of that name not used ({some(deaf)})"
        )
    return tuple(Pair(clip.clip, None, clip, (), clip.speaker, clip.emotion) for clip in seen)


def _labelled(inputs: Inputs, labels: Labels) -> Inputs:
    """The inputs with speakers and emotions from a table."""
    methods = {name: labels.label(group) for name, group in inputs.methods.items()}
    references = tuple(labels.label(inputs.references))
    return replace(inputs, methods=methods, references=references, warnings=(*inputs.warnings, *labels.finish()))


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
