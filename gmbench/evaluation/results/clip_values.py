"""The values of all methods under one metric, clip by clip, for paired comparisons."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmbench.emotions import canonical
from gmbench.evaluation.results.records import WHOLE_SET
from gmbench.evaluation.scoring.registry import metrics
from gmbench.metrics import statistics
from gmbench.metrics.key import MetricKey
from gmbench.metrics.spec import Best

REAL = "ground_truth"
"""The control whose values are those of the real clips, for records that do not say them."""


class ClipValues:
    """One metric's clip values, a column for each method.

    Attributes:
        table: pairs of clip and reference (rows, sorted) by methods, also those whose clips do not count.
        aim: where the metric's best value lies; ``none`` where no installed package declares the metric.
        lacks_real: the best value is the real clip's, and it is not known.
    """

    def __init__(self, records: pd.DataFrame, key: str) -> None:
        """Records of one dataset, protocol and metric."""
        counted = records[(records["clips_expected"] > 0) & (records["clip"] != WHOLE_SET)]
        pair = ["clip", "reference_sha256"]  # clips of other references are no pairs
        labels = counted.drop_duplicates(pair).set_index(pair).sort_index()
        values = counted.pivot(index=pair, columns="method", values="value")
        self.table = values.reindex(labels.index, columns=sorted(records["method"].unique()))
        self._speakers = [str(speaker) for speaker in labels["speaker"]]
        self._emotions = emotions_of(labels)
        metric = metrics().get(MetricKey.parse(key).name)
        self.aim: Best = metric.spec.aim if metric else "none"
        self._statistic, self._hit = (metric.statistic, metric.hit) if metric else ("mean", 0.0)
        self._real = _real_values(counted, pair, self.table)
        self.lacks_real = self.aim == "reference" and not np.isfinite(self._real).any()

    def compared(self, method: str) -> NDArray[np.float64]:
        """Each clip's value, or its distance to the best value where that is 0 or the real clip's and known."""
        values = self.table[method].to_numpy(np.float64)
        if not self.of_distance:
            return values
        if self.aim == "zero":
            return np.abs(values)
        with np.errstate(invalid="ignore"):
            return np.where(values == self._real, 0.0, np.abs(values - self._real))

    def difference(self, first: str, second: str) -> statistics.Difference:
        """Paired difference of what is compared; NaN where a method has no value."""
        hit = 0.0 if self.of_distance else self._hit
        return statistics.paired_difference(
            self.compared(first), self.compared(second), self._speakers, self._statistic, self._emotions, hit
        )

    def distance(self, method: str) -> float | None:
        """Mean distance of a method to the best value, where that is 0 or the real clip's and known."""
        if not self.of_distance:
            return None
        values = self.compared(method)
        finite = np.where(np.isinf(values), np.nan, values) if np.isfinite(values).any() else values
        return statistics.estimate(finite, None, self._statistic, self._emotions).value

    @property
    def real_mean(self) -> float:
        """Mean of the real clips' values; NaN where none is known."""
        known = self._real[np.isfinite(self._real)]
        return float(known.mean()) if len(known) else float("nan")

    @property
    def of_distance(self) -> bool:
        """Whether distances to the best value are compared instead of values."""
        return self.aim == "zero" or (self.aim == "reference" and not self.lacks_real)

    @property
    def sign(self) -> float:
        """1 where the larger of what is compared is better, else -1."""
        return 1.0 if self.aim == "higher" else -1.0


def _real_values(counted: pd.DataFrame, pair: list[str], table: pd.DataFrame) -> NDArray[np.float64]:
    """The real clips' own values, as records say or as the control has them."""
    known = counted[counted["reference_value"].notna()].drop_duplicates(pair)
    real = known.set_index(pair)["reference_value"].reindex(table.index)
    return (real.fillna(table[REAL]) if REAL in table else real).to_numpy(np.float64)


def emotions_of(records: pd.DataFrame) -> list[str]:
    """Emotions in the suite's vocabulary; other labels as they are."""
    return [canonical(str(label)) or str(label) for label in records["emotion"]]
