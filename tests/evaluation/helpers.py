"""Runs of the engine on sketched clips, with their own landmarks."""

from gmbench.evaluation import protocol as protocols
from gmbench.evaluation.planning import inputs, plan
from gmbench.evaluation.run import evaluate
from gmbench.evaluation.scoring import registry

FAST = ["psnr", "ssim", "m_lmd", "m_nlmd", "div", "pcm", "pcm_chance", "ba_m2a", "trace_rms", "corr_onset"]


def protocol(name="full", **changes):
    return protocols.load(name, **({"landmarks": "sidecar", "pose": "mediapipe"} | changes))


def make_plan(sketches, methods=("near", "far"), metrics=FAST, controls=(), reference=True, **changes):
    given = inputs.gather(
        [f"{name}={sketches / name}" for name in methods], reference=sketches / "reference" if reference else None
    )
    chosen = registry.select(list(metrics), has_reference=reference)
    return plan.make_plan(given.methods, "sketch", protocol(**changes), chosen, controls, given.references)


def run(sketches, store, *, workers=1, batch=16, scheduler=None, progress=None, **options):
    planned = make_plan(sketches, **options)
    return evaluate(planned, store, workers, scheduler, batch, progress)


def value(records, method, metric):
    """Mean of a metric over the clips of a method."""
    return records[(records["method"] == method) & (records["metric_name"] == metric)]["value"].mean()
