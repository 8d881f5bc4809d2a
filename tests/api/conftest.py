import warnings

import pytest

import gmbench
from gmbench.errors import GmbenchWarning

SKETCH = {"landmarks": "sidecar", "pose": "mediapipe", "dataset": "sketch"}
"""Options for sketched clips, whose landmarks lie beside them."""


@pytest.fixture(scope="session")
def evaluated(sketches, tmp_path_factory):
    """Both sketched methods under all metrics that need no network, with two controls."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GmbenchWarning)
        return gmbench.evaluate(
            {"near": sketches / "near", "far": sketches / "far"}, sketches / "reference",
            controls=["ground_truth", "still"], store=tmp_path_factory.mktemp("store"), **SKETCH,
        )  # fmt: skip
