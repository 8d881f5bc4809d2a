"""All metrics: those of gmbench and those that other packages add.

A package adds metrics by an entry point of group ``gmbench.metrics`` that names a
:class:`~gmbench.evaluation.scoring.metric.Metric`, several, or a function that returns them.
"""

from collections.abc import Mapping, Sequence

from gmbench import plugins
from gmbench.errors import InputError
from gmbench.evaluation.extraction.features import FrameFeature, PairFeature
from gmbench.evaluation.scoring.metric import Metric
from gmbench.evaluation.scoring.network_metrics import network_metrics
from gmbench.evaluation.scoring.signal_metrics import signal_metrics
from gmbench.metrics.catalogue import SPECS


def _built_in() -> list[Metric]:
    bound = signal_metrics() | network_metrics()
    return [bound[name] for name in SPECS if name in bound]


def _refusal(metric: Metric, known: Mapping[str, Metric]) -> str:
    """Why a metric of another package cannot be used: its features would be mistaken for others in the store."""
    features = {(type(f), f.name): f for other in known.values() for f in _features(other)}
    for feature in _features(metric):
        if features.get((type(feature), feature.name), feature) != feature:
            return f"feature {feature.name!r} exists already with another function or version; rename it"
    if metric.score is None and metric.score_set is None:
        return "expected a metric with score or score_set"
    return ""


def _features(metric: Metric) -> tuple[FrameFeature | PairFeature, ...]:
    return (*metric.frame_features, *metric.pair_features)


METRICS = plugins.Registry(plugins.METRICS, Metric, _built_in, _refusal)


def metrics() -> dict[str, Metric]:
    """Every known metric by name."""
    return METRICS.all()


def select(names: Sequence[str] | None, has_reference: bool) -> list[Metric]:
    """Metrics by name, or all defaults that the inputs allow.

    Raises:
        InputError: unknown name (with the nearest), or a metric that needs the absent reference.
    """
    if not names:
        return [m for m in metrics().values() if m.spec.default and (has_reference or "reference" not in m.spec.needs)]
    chosen = []
    for name in dict.fromkeys(names):
        metric = METRICS.get(name)
        if "interpolation" in metric.spec.needs:
            raise InputError(f"metric {name} reads sequences between emotions; pass --interpolation NAME=DIR")
        if "reference" in metric.spec.needs and not has_reference:
            raise InputError(f"metric {name} compares with a reference; pass --reference")
        chosen.append(metric)
    return chosen
