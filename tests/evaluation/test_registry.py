import dataclasses

import pytest

from gmbench import plugins
from gmbench.errors import InputError
from gmbench.evaluation.extraction.features import PairFeature
from gmbench.evaluation.scoring import registry
from gmbench.evaluation.scoring.motion_metrics import motion_metrics
from gmbench.evaluation.scoring.network_metrics import network_metrics
from gmbench.evaluation.scoring.quality_metrics import quality_metrics
from gmbench.evaluation.scoring.signal_metrics import signal_metrics
from gmbench.evaluation.scoring.theval_metrics import theval_metrics
from gmbench.evaluation.scoring.timing_metrics import timing_metrics
from gmbench.metrics.catalogue import SPECS


class EntryPoint:
    value = "other_package:metrics"
    dist = None

    def __init__(self, name, declared):
        self.name, self.declared = name, declared

    def load(self):
        if isinstance(self.declared, BaseException):
            raise self.declared
        return self.declared


@pytest.fixture
def entry_points(monkeypatch):
    """Pretend that another package declares entry points."""

    def declare(*declared):
        points = [EntryPoint(f"entry{number}", one) for number, one in enumerate(declared)]
        monkeypatch.setattr(plugins.metadata, "entry_points", lambda group: points if group == plugins.METRICS else [])
        registry.METRICS.forget()

    yield declare
    monkeypatch.undo()
    registry.METRICS.forget()


def test_every_declared_metric_can_be_scored():
    bound = (signal_metrics, network_metrics, motion_metrics, timing_metrics, theval_metrics, quality_metrics)
    assert {name for metrics in bound for name in metrics()} == set(SPECS)
    for metric in registry.metrics().values():
        kinds = [metric.score is not None, metric.score_set is not None, "interpolation" in metric.spec.needs]
        assert sum(kinds) == 1
    for spec in SPECS.values():
        assert spec.source
        assert spec.interpretation
        assert spec.caveats
        assert spec.aggregation
        assert spec.version >= 1


def test_other_packages_add_metrics(entry_points):
    psnr = signal_metrics()["psnr"]
    mine = dataclasses.replace(psnr, spec=dataclasses.replace(psnr.spec, name="mine"))
    more = dataclasses.replace(psnr, spec=dataclasses.replace(psnr.spec, name="more"))
    entry_points(mine, lambda: [more])
    assert {"mine", "more", "psnr"} <= set(registry.metrics())
    assert [m.name for m in registry.select(["more"], True)] == ["more"]


def test_a_name_that_is_taken_is_refused(entry_points):
    psnr = signal_metrics()["psnr"]
    mine = dataclasses.replace(psnr, spec=dataclasses.replace(psnr.spec, name="mine"))
    other = dataclasses.replace(mine, pair_features=(PairFeature("mse", 1, lambda a, b: 0.0),))
    entry_points(dataclasses.replace(psnr), other, ImportError("no module named torch2\nmore"), mine, mine, 7)
    assert registry.metrics()["psnr"] is not psnr
    assert registry.METRICS.packages() == {"mine": "other_package"}
    problems = registry.METRICS.problems()
    assert "'psnr' exists already in gmbench; rename it" in problems["psnr"]
    assert "feature 'mse' exists already" in problems["mine"]
    assert "'mine' exists already in other_package" in problems["mine (other_package)"]
    assert "entry2" in problems
    assert "ImportError: no module named torch2" in problems["entry2"]
    assert any("expected Metric, got int" in reason for reason in problems.values())
    assert [m.name for m in registry.select(["psnr"], True)] == ["psnr"]


def test_a_metric_that_is_left_out_says_why_when_it_is_asked_for(entry_points):
    entry_points(ImportError("no module named torch2"))
    with pytest.raises(InputError, match=r"entry0.*left out: other_package: .*no module named torch2"):
        registry.select(["entry0"], True)
