import pytest

from tests.reference import agreement

ROWS = agreement.measure()


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.metric} / {row.against}" for row in ROWS])
def test_agrees_with_independent_implementation(row):
    assert row.difference <= row.tolerance


def test_torchmetrics_ssim_is_another_quantity():
    assert 1e-4 < agreement.torchmetrics_ssim_gap() < 0.02
