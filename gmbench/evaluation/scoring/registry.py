"""All metrics: those of gmbench and those that other packages add.

A package adds metrics by an entry point of group ``gmbench.metrics`` that names a
:class:`~gmbench.evaluation.scoring.metric.Metric` or a function that returns several.
"""

import functools
from collections.abc import Sequence
from importlib.metadata import entry_points

from gmbench.errors import InputError
from gmbench.evaluation.scoring.metric import Metric
from gmbench.evaluation.scoring.network_metrics import network_metrics
from gmbench.evaluation.scoring.signal_metrics import signal_metrics
from gmbench.metrics.catalogue import SPECS
from gmbench.names import closest


@functools.cache
def metrics() -> dict[str, Metric]:
    """Every known metric by name.

    Raises:
        InputError: an entry point takes a name that is taken.
    """
    found = signal_metrics() | network_metrics()
    known = {name: found[name] for name in SPECS if name in found}
    for entry in entry_points(group="gmbench.metrics"):
        found = entry.load()
        for metric in [found] if isinstance(found, Metric) else found():
            if metric.name in known:
                raise InputError(f"entry point {entry.value}: metric {metric.name!r} exists already; rename it")
            known[metric.name] = metric
    return known


def select(names: Sequence[str] | None, has_reference: bool) -> list[Metric]:
    """Metrics by name, or all defaults that the inputs allow.

    Raises:
        InputError: unknown name (with the nearest), or a metric that needs the absent reference.
    """
    known = metrics()
    if not names:
        return [m for m in known.values() if m.spec.default and (has_reference or "reference" not in m.spec.needs)]
    chosen = []
    for name in dict.fromkeys(names):
        if name not in known:
            raise InputError(f"unknown metric {name!r}; {closest(name, known)}")
        if "interpolation" in known[name].spec.needs:
            raise InputError(f"metric {name} reads sequences between emotions; pass --interpolation NAME=DIR")
        if "reference" in known[name].spec.needs and not has_reference:
            raise InputError(f"metric {name} compares with a reference; pass --reference")
        chosen.append(known[name])
    return chosen
