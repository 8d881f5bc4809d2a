"""Generated clips beside references of the same name."""

from collections import defaultdict
from collections.abc import Container, Iterable

from gmbench.clips.clip import SAMPLE_MARK, Clip, Pair
from gmbench.clips.folders import ClipFolder
from gmbench.errors import InputError
from gmbench.media import natural_key
from gmbench.names import NameIndex, closest, composed, counted, flat, some


def match(generated: ClipFolder, reference: ClipFolder | None) -> tuple[list[Pair], list[str]]:
    """Pair generated clips with references by name (nested or flat form).

    Args:
        generated: clips of one method.
        reference: clips of the reference, or None to score the generated ones alone.

    Returns:
        one pair per reference clip (generated is None where the method lacks it), and notes about the
        generated clips without a reference.

    Raises:
        InputError: no name matches (the message shows the nearest), or one generated clip would serve two references.
    """
    targets = {} if reference is None else {n: clip for n, clip in reference.clips.items() if clip.video is not None}
    firsts, samples = _with_samples(generated.clips, {flat(composed(name)) for name in targets})
    if reference is None:
        return [
            Pair(name, clip, None, samples.get(name, ()), clip.speaker, clip.emotion) for name, clip in firsts.items()
        ], []
    found = _partners(targets, firsts, generated, reference)
    if not found:
        example = next(iter(firsts))
        hint = _folder_hint(firsts, targets)
        raise InputError(
            f"{generated.root}: no clip has the name of a reference (for example {example!r}: "
            f"{closest(example, targets)}); {hint or 'rename the files or list them with --pairs'}"
        )
    pairs = []
    for name, target in targets.items():
        partner = found.get(name, "")
        reason = generated.unread.get(name) or generated.unread.get(flat(name)) or ""
        pairs.append(
            Pair(name, firsts.get(partner), target, samples.get(partner, ()), target.speaker, target.emotion,
                 "" if partner else reason)
        )  # fmt: skip
    used = set(found.values())
    rest = [name for name in firsts if name not in used]
    verb = "have no reference and are" if len(rest) > 1 else "has no reference and is"
    notes = [f"{generated.root}: {some(rest)} {verb} not scored"]
    hint = _folder_hint(rest, [name for name in targets if name not in found])
    return pairs, [*notes, *([f"{generated.root}: {hint}"] if hint else [])] if rest else []


def _partners(
    targets: dict[str, Clip], firsts: dict[str, Clip], generated: ClipFolder, reference: ClipFolder
) -> dict[str, str]:
    """Name of the generated clip by name of the reference."""
    index = NameIndex(firsts, str(generated.root))
    found = {name: partner for name in targets if (partner := index.exact(name)) is not None}
    taken = set(found.values())
    flat_for: dict[str, str] = {}
    for name in targets:
        partner = index.find(name) if name not in found else None
        if partner is None or partner in taken:
            continue
        if partner in flat_for:
            raise InputError(
                f"{generated.root}: {partner!r} could be generated for {flat_for[partner]!r} and for {name!r} of "
                f"{reference.root}; name it like the one that it belongs to, with folders, or list it with --pairs"
            )
        flat_for[partner], found[name] = name, partner
    return found


def _with_samples(
    clips: dict[str, Clip], references: Container[str]
) -> tuple[dict[str, Clip], dict[str, tuple[Clip, ...]]]:
    """First samples by name, and the further ones by the name of their first.

    ``<clip>@2`` is a sample of ``<clip>``, unless a reference has that name.
    """
    samples: dict[str, list[Clip]] = defaultdict(list)
    firsts = {}
    for name in sorted(clips, key=natural_key):
        base, mark, number = name.rpartition(SAMPLE_MARK)
        if mark and number.isdigit() and base in clips and flat(composed(name)) not in references:
            samples[base].append(clips[name])
    further = {clip.clip for group in samples.values() for clip in group}
    firsts = {name: clip for name, clip in clips.items() if name not in further}
    return firsts, {name: tuple(group) for name, group in samples.items()}


def _folder_hint(generated: Iterable[str], references: Iterable[str]) -> str:
    """Advice where clips lie one folder deeper than their references (``<clip>/frames``, ``<clip>/result``)."""
    wanted = {flat(composed(name)) for name in references}
    deeper = [name for name in generated if "/" in name and flat(name.rpartition("/")[0]) in wanted]
    if not deeper:
        return ""
    clip = deeper[0].rpartition("/")[0]
    share = f"{counted(len(deeper), 'clip')} one folder deeper than the reference"
    return f"{share}: rename the files so that {deeper[0]} becomes {clip}"
