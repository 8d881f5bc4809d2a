"""The page's first sentences: what was compared, how many clips and people, when, by which judges, at what cost, and
who leads in what. Every word follows from records and run cards; a lead is what :mod:`gmbench.reporting.comparisons`
calls one."""

from collections.abc import Iterable, Mapping, Sequence

from gmbench.emotions import canonical
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.results.records import WHOLE_SET
from gmbench.metrics.key import MetricKey
from gmbench.reporting.chosen_metrics import ASPECTS, aspect_of
from gmbench.reporting.comparisons import SIGNIFICANCE
from gmbench.reporting.metric_lookup import fallback_extractors, metric_of
from gmbench.reporting.summary import Summary

_DRAWN = "corpus"
"""Part of the name of every fallback that was trained on drawn faces."""


def headline(summary: Summary, dates: Sequence[str], costs: Mapping[str, str]) -> list[str]:
    """Sentences on one dataset under one protocol.

    Args:
        dates: days on which its methods were evaluated, ISO.
        costs: what training a method cost, in words, of those where it is known.
    """
    known: dict[str, list[str]] = {}
    for method in summary.methods:
        if method in costs:
            known.setdefault(costs[method], []).append(method)
    return [
        _compared(summary),
        *_when(dates),
        _judges(summary),
        *([f"Training: {'; '.join(f'{_joined(m)}: {cost}' for cost, m in known.items())}."] if known else []),
        *_leads(summary),
    ]


def _compared(summary: Summary) -> str:
    methods = [m for m in summary.methods if m not in CONTROLS]
    controls = len(summary.methods) - len(methods)
    first = summary.records.iloc[0]
    clips = summary.records[summary.records["clip"] != WHOLE_SET]
    people = clips["speaker"].astype(str).replace("", None).nunique()
    emotions = {canonical(str(label)) for label in clips["emotion"].unique()} - {""}
    beside = f", beside {_counted(controls, 'control')} made from the real clips," if controls else ""
    of = [
        text
        for n, text in ((people, _counted(people, "person")), (len(emotions), _counted(len(emotions), "emotion")))
        if n
    ]
    return (
        f"{_counted(len(methods), 'method')}{beside} on {first['dataset']}: {_counted(clips['clip'].nunique(), 'clip')}"
        f"{' of ' + ' in '.join(of) if of else ''}."
    )  # fmt: skip


def _when(dates: Sequence[str]) -> list[str]:
    days = sorted(set(dates))
    return [f"Evaluated {' to '.join(dict.fromkeys((days[0], days[-1])))}."] if days else []


def _judges(summary: Summary) -> str:
    """Which numbers come from published detectors and networks, and which from what stood in for them."""
    fallbacks = fallback_extractors(summary.keys)
    official = [key for key in summary.keys if not MetricKey.parse(key).fallback]
    if not fallbacks:
        return "Judges: the published detectors and networks, or plain arithmetic."
    drawn = [name for name in fallbacks if _DRAWN in name]
    who = ", ".join(fallbacks)
    what = " (small networks for drawn faces, which come with gmbench)" if drawn else ""
    return (
        f"Judges: {len(official)} of {len(summary.keys)} metrics are plain arithmetic or by the published networks; "
        f"the others, marked †, are by {who}{what}: never compare these with published figures."
    )


def _leads(summary: Summary) -> list[str]:
    """Who leads in which metrics, by aspect, as far as tests support it; else why nobody does."""
    if not summary.ranked:
        return ["No method here makes everything itself, so none is ranked."]
    if len(summary.ranked) == 1:
        (only,) = summary.ranked
        if len(summary.takes) == 0:
            return [f"{only} is alone here: nothing is ranked, and no lead is claimed."]
        return [
            f"{only} alone makes everything from sound, label and picture. {_joined(summary.takes)} take part of "
            "the answer from the real clip: what they reach is a bound, not a result, so no lead is claimed."
        ]  # fmt: skip
    won: dict[str, dict[str, list[str]]] = {}
    for key in summary.keys:
        if best := summary.leads[key].best:
            won.setdefault(best, {}).setdefault(ASPECTS[aspect_of(key)].lower(), []).append(_title(key))
    tested = f"in a paired test against every other one (p < {SIGNIFICANCE}, adjusted for all metrics)"
    if not won:
        return [f"No method leads under any metric {tested}.", *_why(summary)]
    lines = [
        f"{method} leads in {'; '.join(f'{aspect}: {_joined(titles)}' for aspect, titles in found.items())}."
        for method, found in sorted(won.items(), key=lambda item: -sum(map(len, item[1].values())))
    ]
    some = len(set(summary.keys)) - sum(len(t) for found in won.values() for t in found.values())
    return [*lines, f"Leads: best {tested}. Under the other {some} metrics nobody leads."]


def _why(summary: Summary) -> list[str]:
    """The most frequent reason why nothing could be claimed."""
    reasons = [lead.reason for lead in summary.leads.values() if lead.reason]
    return [f"Most often because: {max(sorted(set(reasons)), key=reasons.count)}."] if reasons else []


def _title(key: str) -> str:
    metric = metric_of(key)
    return metric.spec.title if metric else MetricKey.parse(key).name


def _joined(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _counted(count: int, what: str) -> str:
    plural = {"person": "people"}.get(what, f"{what}s")
    return f"{count:,} {what if count == 1 else plural}"
