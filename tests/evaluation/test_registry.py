import dataclasses

import pytest

from gmbench.errors import InputError
from gmbench.evaluation.scoring import registry
from gmbench.evaluation.scoring.network_metrics import network_metrics
from gmbench.evaluation.scoring.signal_metrics import signal_metrics
from gmbench.metrics.catalogue import SPECS


class EntryPoint:
    value = "other_package:metrics"

    def __init__(self, found):
        self.found = found

    def load(self):
        return self.found


@pytest.fixture
def entry_points(monkeypatch):
    """Pretend that another package declares entry points."""

    def declare(*found):
        monkeypatch.setattr(registry, "entry_points", lambda group: [EntryPoint(f) for f in found])
        registry.metrics.cache_clear()

    yield declare
    monkeypatch.undo()
    registry.metrics.cache_clear()


def test_every_declared_metric_can_be_scored():
    assert set(signal_metrics()) | set(network_metrics()) == set(SPECS)
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
    entry_points(signal_metrics()["psnr"])
    with pytest.raises(InputError, match="'psnr' exists already"):
        registry.metrics()
