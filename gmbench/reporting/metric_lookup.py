"""What a metric's key in records stands for: its declaration, its place in the order of declaration."""

from collections.abc import Iterable

from gmbench.evaluation.scoring.metric import Metric
from gmbench.evaluation.scoring.registry import metrics
from gmbench.metrics.key import MetricKey


def metric_of(key: str) -> Metric | None:
    """The metric behind a key; None where its package is not installed."""
    return metrics().get(MetricKey.parse(key).name)


def is_default(key: str) -> bool:
    """Whether a metric is shown without being asked for; unknown ones are."""
    metric = metric_of(key)
    return metric is None or metric.spec.default


def in_declared_order(keys: Iterable[str]) -> list[str]:
    """Keys in the order in which their metrics are declared; unknown ones last, equals as they come."""
    order = {name: place for place, name in enumerate(metrics())}
    return sorted(keys, key=lambda key: order.get(MetricKey.parse(key).name, len(order)))


def fallback_extractors(keys: Iterable[str]) -> list[str]:
    """Extractors that stand for the official ones in these columns, sorted."""
    return sorted({MetricKey.parse(key).fallback for key in keys} - {""})
