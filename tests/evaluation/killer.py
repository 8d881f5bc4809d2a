"""A feature whose computation ends its process on one clip, as running out of memory would."""

import os
import signal

from gmbench.evaluation.extraction.features import FrameFeature
from gmbench.evaluation.scoring.metric import Metric, frame_mean
from gmbench.metrics.spec import MetricSpec


def deadly(frame):
    if frame.shape[0] == 64:
        os.kill(os.getpid(), signal.SIGKILL)
    return float(frame.mean())


FEATURE = FrameFeature("deadly", 1, deadly)
METRIC = Metric(
    MetricSpec("deadly", "Deadly", 1, "higher", "", "", (), "", "", "", ""),
    lambda clip: frame_mean(clip.generated.per_frame(FEATURE), "none"),
    (FEATURE,),
)


def raising(frame):
    return 1 / (0 * int(frame[0, 0, 0]))


def _metric(name, function):
    feature = FrameFeature(name, 1, function)
    return Metric(
        MetricSpec(name, name, 1, "higher", "", "", (), "", "", "", ""),
        lambda clip: frame_mean(clip.generated.per_frame(feature), "none"),
        (feature,),
    )


def brightness(frame):
    return float(frame.mean())


RAISING, HARMLESS = _metric("raising", raising), _metric("harmless", brightness)
