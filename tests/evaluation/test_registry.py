import dataclasses

import pytest

from gmbench.errors import InputError
from gmbench.evaluation import registry
from gmbench.evaluation.judged import judged
from gmbench.evaluation.scorers import builtin
from metrics.catalogue import FACTS


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
    assert set(builtin()) | set(judged()) == set(FACTS)
    for metric in registry.metrics().values():
        kinds = [metric.score is not None, metric.score_set is not None, "interpolation" in metric.facts.needs]
        assert sum(kinds) == 1
    for facts in FACTS.values():
        assert facts.source
        assert facts.reading
        assert facts.traps
        assert facts.aggregation
        assert facts.version >= 1


def test_other_packages_add_metrics(entry_points):
    psnr = builtin()["psnr"]
    mine = dataclasses.replace(psnr, facts=dataclasses.replace(psnr.facts, name="mine"))
    more = dataclasses.replace(psnr, facts=dataclasses.replace(psnr.facts, name="more"))
    entry_points(mine, lambda: [more])
    assert {"mine", "more", "psnr"} <= set(registry.metrics())
    assert [m.name for m in registry.select(["more"], True)] == ["more"]


def test_a_name_that_is_taken_is_refused(entry_points):
    entry_points(builtin()["psnr"])
    with pytest.raises(InputError, match="'psnr' exists already"):
        registry.metrics()
