"""Rows that know the answer: methods that take pose or expression from the reference that they are compared with.

Their numbers are bounds, not results: every table says what they take, sets them apart and ranks none of them. What
a method takes stands in its card; results keep it as a flag of the records, so that a table made elsewhere says it too.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from gmbench.errors import InputError
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.planning.plan import Plan
from gmbench.evaluation.results.records import categories, distinct
from gmbench.methods import dropin
from gmbench.reporting.method_cards import card_of

FLAG = "takes:"
"""Begins the flag of a record whose method takes something from the reference: ``takes:pose,eyes``."""
_CARD_LEVELS = 3
"""A drop-in's card lies at most so many folders above its videos: method, dataset, speaker."""

_log = logging.getLogger(__name__)


def with_flags(records: pd.DataFrame, plan: Plan | None, own_reference: bool = False) -> pd.DataFrame:
    """Records that say what their methods take from the reference, by their cards or one beside their videos.

    Args:
        plan: which videos were compared; None where none were.
        own_reference: the clip that shows an emotion was the scored clip itself.
    """
    videos = _first_videos(plan) if plan is not None else {}
    flags = {}
    for method in records["method"].unique():
        if parts := _by_card(str(method), videos.get(str(method)), own_reference):
            flags[str(method)] = FLAG + ",".join(parts)
    if not flags:
        return records
    columns = ["flags", "method"]
    added = {
        (old, method): " ".join(dict.fromkeys([*old.split(), *([flags[method]] if method in flags else [])]))
        for old, method in distinct(records, columns).itertuples(index=False, name=None)
    }
    pairs = records[columns].itertuples(index=False, name=None)
    return records.assign(flags=categories([added[pair] for pair in pairs]))


def taken(records: pd.DataFrame) -> dict[str, str]:
    """What methods take from the reference, in words, by method; those that take nothing are not in it."""
    found: dict[str, dict[str, None]] = {}
    pairs = distinct(records, ["method", "flags"])
    for method, flags in zip(pairs["method"].astype(str), pairs["flags"].astype(str), strict=True):
        if method in CONTROLS:
            continue
        named = [part for flag in flags.split() if flag.startswith(FLAG) for part in flag[len(FLAG) :].split(",")]
        found.setdefault(method, {}).update(dict.fromkeys(named))
    for method, parts in found.items():
        parts.update(dict.fromkeys(_by_card(method)))
    return {method: _in_words(parts) for method, parts in found.items() if parts}


def barred(records: pd.DataFrame) -> dict[str, str]:
    """Methods that are never best or ranked, with the reason, as an end of a sentence on the method."""
    controls = dict.fromkeys(CONTROLS, "is made from the reference")
    return controls | {method: f"takes {parts} from the reference" for method, parts in taken(records).items()}


def _by_card(method: str, video: Path | None = None, own_reference: bool = False) -> tuple[str, ...]:
    above = list(video.parents)[:_CARD_LEVELS] if video is not None else []
    folder = next((folder for folder in above if (folder / dropin.CARD).is_file()), None)
    try:
        card = dropin.card(folder) if folder is not None else card_of(method)
    except InputError as error:  # after hours of work the results matter more
        _log.warning("%s: what it takes from the reference is not known: %s", method, error)
        return ()
    if card is None:
        return ()
    shown = own_reference and card.kind == "trainable" and card.default_source == "video"
    return tuple(dict.fromkeys((*card.taken, *(["expression"] if shown else []))))


def _first_videos(plan: Plan) -> dict[str, Path]:
    """A generated video of each method."""
    found: dict[str, Path] = {}
    for clip in plan.clips:
        if clip.generated.video is not None and clip.method not in CONTROLS:
            found.setdefault(clip.method, clip.generated.video)
    return found


def _in_words(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
