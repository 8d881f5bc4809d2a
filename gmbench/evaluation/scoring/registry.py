"""All metrics: those of gmbench and those that other packages add.

A package adds metrics by an entry point of group ``gmbench.metrics`` that names a
:class:`~gmbench.evaluation.scoring.metric.Metric`, several, or a function that returns them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from gmbench import plugins
from gmbench.errors import InputError
from gmbench.evaluation.extraction.features import FrameFeature, PairFeature
from gmbench.evaluation.scoring.metric import Metric
from gmbench.evaluation.scoring.motion_metrics import motion_metrics
from gmbench.evaluation.scoring.naming import has_group, meant_keys, named_metrics, split_names
from gmbench.evaluation.scoring.network_metrics import network_metrics
from gmbench.evaluation.scoring.quality_metrics import quality_metrics
from gmbench.evaluation.scoring.signal_metrics import signal_metrics
from gmbench.evaluation.scoring.theval_metrics import theval_metrics
from gmbench.evaluation.scoring.timing_metrics import timing_metrics
from gmbench.metrics.catalogue import SPECS
from gmbench.metrics.emotion import SUITE_ORDER
from gmbench.metrics.spec import Best, Direction, Group, MetricSpec, Need
from gmbench.metrics.statistics import Statistic


def _built_in() -> list[Metric]:
    bound = signal_metrics() | network_metrics() | quality_metrics() | motion_metrics() | timing_metrics()
    bound |= theval_metrics()
    return [bound[name] for name in SPECS if name in bound]


def _refusal(metric: Metric, known: Mapping[str, Metric]) -> str:
    """Why a metric of another package cannot be used: its features would be mistaken for others in the store."""
    features = {(type(f), f.name): f for other in known.values() for f in _features(other)}
    for feature in _features(metric):
        if features.get((type(feature), feature.name), feature) != feature:
            return f"feature {feature.name!r} exists already with another function or version; rename it"
    if metric.score is None and metric.score_set is None:
        return "expected a metric with score or score_set"
    return _misdeclared(metric)


def _misdeclared(metric: Metric) -> str:
    """What of a declaration the engine and the tables could not read, empty where all is well."""
    spec = metric.spec
    words: tuple[tuple[str, object, tuple[object, ...]], ...] = (
        ("statistic", metric.statistic, get_args(Statistic)),
        ("direction", spec.direction, get_args(Direction)),
        ("best", spec.best, (None, *get_args(Best))),
        ("group", spec.group, get_args(Group)),
        *(("needs", need, get_args(Need)) for need in spec.needs),
        *(("emotions", emotion, SUITE_ORDER) for emotion in metric.emotions),
    )
    for field, word, known in words:
        if word not in known:
            return f"{field}: expected one of {', '.join(str(w) for w in known if w)}, got {word!r}"
    if not isinstance(spec.version, int):
        return f"version: expected a whole number, got {spec.version!r}"
    return ""


def _features(metric: Metric) -> tuple[FrameFeature | PairFeature, ...]:
    return (*metric.frame_features, *metric.pair_features)


METRICS = plugins.Registry(plugins.METRICS, Metric, _built_in, _refusal)


def metrics() -> dict[str, Metric]:
    """Every known metric by name."""
    return METRICS.all()


def specs() -> dict[str, MetricSpec]:
    """The declaration of every known metric by name."""
    return {name: metric.spec for name, metric in metrics().items()}


def resolve(names: str | Iterable[str]) -> list[str]:
    """Names of the metrics that are meant by names in any spelling and by groups; see :mod:`.naming`.

    Raises:
        InputError: a name that means nothing, with the nearest, or a metric of a package that failed, with its reason.
    """
    for text in split_names(names):
        if text in METRICS.problems():
            METRICS.get(text)  # says what is wrong with its package
    return named_metrics(names, specs())


def present_keys(names: str | Iterable[str], keys: Sequence[str]) -> list[str]:
    """Keys of records that are meant by names; raises InputError where there are none of a name."""
    return meant_keys(names, keys, specs())


def select(names: str | Sequence[str] | None, has_reference: bool) -> list[Metric]:
    """Metrics by name or group, or all defaults that the inputs allow.

    Raises:
        InputError: unknown name (with the nearest), or a named metric that needs the absent reference.
    """
    if not names:
        return [m for m in metrics().values() if m.spec.default and (has_reference or "reference" not in m.spec.needs)]
    alone = set(resolve([text for text in split_names(names) if not has_group(text)]))
    chosen = []
    for name in resolve(names):
        metric = METRICS.get(name)
        if "interpolation" in metric.spec.needs:
            raise InputError(f"metric {name} reads sequences between emotions; pass --interpolation NAME=DIR")
        if "reference" in metric.spec.needs and not has_reference:
            if name not in alone:
                continue
            raise InputError(f"metric {name} compares with a reference; pass --reference")
        chosen.append(metric)
    if not chosen:
        raise InputError(f"every metric of {', '.join(split_names(names))} compares with a reference; pass --reference")
    return chosen
