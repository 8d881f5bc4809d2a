"""The page's first sentences: what was compared, how many clips and people, when, by which judges, at what cost, and
who leads in what. Every word follows from records and run cards; a lead is what :mod:`gmbench.reporting.comparisons`
calls one."""

from collections import Counter
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
LEADERS, TITLES, SYSTEMS = 3, 4, 4
"""Most methods that are named as leading, most metrics of each that are named rather than counted by aspect, and most
systems whose training is named."""


def headline(summary: Summary, dates: Sequence[str], costs: Mapping[str, str]) -> list[str]:
    """At most seven sentences on one dataset under one protocol; the sections below have the details.

    Args:
        dates: days on which its methods were evaluated, ISO.
        costs: how long its systems were trained, in words, by system.
    """
    training = ", ".join(f"{system} {cost}" for system, cost in [*costs.items()][:SYSTEMS])
    if len(costs) > SYSTEMS:
        training += f", and {len(costs) - SYSTEMS} more"
    return [
        _compared(summary, dates),
        *_bounds(summary),
        _judges(summary),
        *([f"Training: {training}."] if training else []),
        *_leads(summary),
    ]


def _compared(summary: Summary, dates: Sequence[str]) -> str:
    methods = [m for m in summary.methods if m not in CONTROLS]
    controls = len(summary.methods) - len(methods)
    first = summary.records.iloc[0]
    clips = summary.records[summary.records["clip"] != WHOLE_SET]
    people = clips["speaker"].astype(str).replace("", None).nunique()
    emotions = {canonical(str(label)) for label in clips["emotion"].unique()} - {""}
    days = sorted(set(dates))
    beside = f", beside {_counted(controls, 'control')} made from the real clips," if controls else ""
    of = [
        text
        for n, text in ((people, _counted(people, "person")), (len(emotions), _counted(len(emotions), "emotion")))
        if n
    ]
    when = f", evaluated {' to '.join(dict.fromkeys((days[0], days[-1])))}" if days else ""
    return (
        f"{_counted(len(methods), 'method')}{beside} on {first['dataset']}: {_counted(clips['clip'].nunique(), 'clip')}"
        f"{' of ' + ' in '.join(of) if of else ''}{when}."
    )  # fmt: skip


def _bounds(summary: Summary) -> list[str]:
    """How many methods are ranked, where some are not."""
    takes, ranked = len(summary.takes), len(summary.ranked)
    if not takes:
        return []
    bounds = "takes part of the answer from the real clip: a bound, not a result"
    if takes > 1:
        bounds = "take part of the answer from the real clip: bounds, not results"
    if not ranked:
        return [f"None is ranked: {'it' if takes == 1 else f'all {takes}'} {bounds}."]
    who = "1 makes" if ranked == 1 else f"{ranked} make"
    return [f"{who} everything from sound, label and picture, {takes} {bounds}."]


def _judges(summary: Summary) -> str:
    """How many numbers come from published detectors and networks, and how many from what stood in for them."""
    fallbacks = fallback_extractors(summary.keys)
    if not fallbacks:
        return "Judges: the published detectors and networks, or plain arithmetic."
    marked = sum(bool(MetricKey.parse(key).fallback) for key in summary.keys)
    drawn = any(_DRAWN in name for name in fallbacks)
    what = "small networks for drawn faces" if drawn else ", ".join(fallbacks)
    return (
        f"Judges: {marked} of {_counted(len(summary.keys), 'metric')}, marked †, are by {what}; "
        "never compare these with published figures."
    )


def _leads(summary: Summary) -> list[str]:
    """Who leads in which metrics, as far as tests support it; else why nobody does."""
    if not summary.ranked:
        return []
    if len(summary.ranked) == 1:
        return [f"{summary.ranked[0]} is alone among those that are ranked: no lead is claimed."]
    won: dict[str, list[str]] = {}
    for key in summary.keys:
        if best := summary.leads[key].best:
            won.setdefault(best, []).append(key)
    if not won:
        return [f"Nobody leads under any metric{_why(summary)}."]
    named = sorted(won, key=lambda method: -len(won[method]))
    lines = [f"{method} leads in {_led(won[method])}" for method in named[:LEADERS]]
    if rest := [key for method in named[LEADERS:] for key in won[method]]:
        lines.append(f"{_counted(len(named) - LEADERS, 'further method')} in {_counted(len(rest), 'metric')}")
    some = len(set(summary.keys)) - sum(map(len, won.values()))
    return [
        f"{'; '.join(lines)}.",
        f"Leads: best in a paired test against every other one (p < {SIGNIFICANCE}, adjusted for all metrics)."
        + (f" Under the other {_counted(some, 'metric')} nobody leads." if some else ""),
    ]


def _led(keys: Sequence[str]) -> str:
    """The metrics, named while they are few, else counted by aspect."""
    if len(keys) <= TITLES:
        return _joined(map(_title, keys))
    counts = Counter(ASPECTS[aspect_of(key)].lower() for key in keys)
    return f"{len(keys)} metrics ({', '.join(f'{aspect} {count}' for aspect, count in counts.items())})"


def _why(summary: Summary) -> str:
    """The most frequent reason why nothing could be claimed."""
    reasons = [lead.reason for lead in summary.leads.values() if lead.reason]
    return f", most often because: {max(sorted(set(reasons)), key=reasons.count)}" if reasons else ""


def _title(key: str) -> str:
    metric = metric_of(key)
    return metric.spec.title if metric else MetricKey.parse(key).name


def _joined(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _counted(count: int, what: str) -> str:
    plural = {"person": "people"}.get(what, f"{what}s")
    return f"{count:,} {what if count == 1 else plural}"
