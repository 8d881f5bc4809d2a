"""Random records of any size, for tests and benchmarks of what shows records."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gmbench.evaluation.results import records
from gmbench.metrics.key import MetricKey

SPEAKERS = 8
_SAME_IN_ALL = {
    "dataset": "d",
    "flags": "",
    "frames_used": 10,
    "frames_expected": 10,
    "clips_expected": 1,
    "protocol": "full",
    "protocol_hash": "h",
    "backend": "official",
    "weights_sha256": "",
    "metric_version": 1,
    "generated_sha256": "",
    "reference_sha256": "",
    "generated_size": "",
    "reference_size": "",
    "reference_value": np.nan,
}


def random_records(methods: int, clips: int, metrics: Sequence[str]) -> pd.DataFrame:
    """Records of so many methods and the ground truth; under every fifth method some clips have failed."""
    rng = np.random.default_rng(0)
    names = [f"method_{n:02d}" for n in range(methods)] + ["ground_truth"]
    difficulty = rng.normal(0, 1, clips)
    labels = {
        "clip": [f"clip_{n:04d}" for n in range(clips)],
        "speaker": [f"s{n % SPEAKERS}" for n in range(clips)],
        "emotion": ["happy" if n % 2 else "sad" for n in range(clips)],
    }
    parts = []
    for place, method in enumerate(names):
        for metric in metrics:
            value = 20 + difficulty + 0.1 * place + rng.normal(0, 1, clips)
            failed = rng.random(clips) < (0.02 if place % 5 == 1 else 0)
            columns = {
                "method": method,
                "metric": metric,
                "metric_name": MetricKey.parse(metric).name,
                "value": np.where(failed, np.nan, value),
                "status": np.where(failed, "failed", "ok"),
                "reason": np.where(failed, "no face found", ""),
                "clips_used": (~failed).astype(int),
            }
            parts.append(pd.DataFrame(_SAME_IN_ALL | labels | columns, index=range(clips)))
    table = pd.concat(parts)[records.SCHEMA.names]
    return table.sort_values(records.ORDER, kind="stable", ignore_index=True)
