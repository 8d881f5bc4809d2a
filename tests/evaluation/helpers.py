"""Runs of the engine on sketched clips, with their own landmarks."""

from gmbench.evaluation import protocol as protocols
from gmbench.evaluation.comparison import plan_comparison
from gmbench.evaluation.planning import inputs
from gmbench.evaluation.run import evaluate

FAST = ["psnr", "ssim", "m_lmd", "m_nlmd", "div", "pcm", "pcm_chance", "ba_m2a", "trace_rms", "corr_onset"]


def protocol(name="full", **changes):
    return protocols.load(name, **({"landmarks": "sidecar", "pose": "mediapipe"} | changes))


def make_plan(sketches, methods=("near", "far"), metrics=FAST, controls=(), reference=True, **changes):
    given = inputs.gather(
        [f"{name}={sketches / name}" for name in methods],
        reference=sketches / "reference" if reference else None,
        dataset="sketch",
    )
    return plan_comparison(given, protocol(**changes), metrics, controls)


def run(sketches, store, *, workers=1, batch=16, scheduler=None, progress=None, **options):
    planned = make_plan(sketches, **options)
    return evaluate(planned, store, workers, scheduler, batch, progress)


def value(records, method, metric):
    """Mean of a metric over the clips of a method."""
    return records[(records["method"] == method) & (records["metric_name"] == metric)]["value"].mean()
