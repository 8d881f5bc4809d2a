"""Damaged files of every kind end with a value or a reason and leave the others as they are."""

import pytest

from benchmarks.fuzz import GOOD, KINDS, fuzz


@pytest.mark.slow
def test_damaged_files_cost_themselves_alone():
    counts = fuzz(60, seed=1, seconds=60)
    assert {outcome for _, outcome in counts} <= set(GOOD)
    for kind in KINDS:
        assert sum(number for (found, _), number in counts.items() if found == kind) == 20
        assert len([outcome for found, outcome in counts if found == kind]) > 1
