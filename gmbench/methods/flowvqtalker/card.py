"""What FlowVQTalker is and can do, and what its paper claims of it."""

from gmbench.methods.card import (
    COEFFICIENTS,
    POSE,
    RECONSTRUCT,
    REFERENCE,
    TRACKS,
    ExpectedOrdering,
    Interpolation,
    MethodCard,
)
from gmbench.methods.flowvqtalker.settings import ABLATIONS, STAGES

INTERPOLATIONS = (Interpolation("latent", talking=True), Interpolation("hard_switch", bound=True))
"""Ways between two emotions: on the line between latents of one noise, or the label flipped half way."""
PAIRS = (("fear", "sad"), ("happy", "angry"), ("neutral", "surprised"), ("disgusted", "contempt"))
METRICS = {
    "": ("sync_c", "acc_emo", "div"),
    "coefficients": ("psnr", "ssim", "lpips", "cpbd", "m_lmd", "f_sim"),
}
"""Metrics of the videos from sound and label, and of those from the reference's coefficients: figure 7's ladder."""
EXPECTED_ORDERINGS = (
    ExpectedOrdering("nats", ("", "gmm"), "Fig 6", TRACKS, lower=True),
    ExpectedOrdering("fd_expressions", ("", "gmm"), "Fig 6", TRACKS, lower=True),
    ExpectedOrdering("sync_c", ("", "wo_dropout"), "Fig 6"),
    ExpectedOrdering("sync_corr", ("", "wo_dropout"), "Fig 6"),
    ExpectedOrdering("cpbd", ("", "b_w_phi_m", "b_w"), "Fig 7", "coefficients"),
    ExpectedOrdering("f_sim", ("b_w_phi_m", "b_w_phi", "b_w"), "Fig 7", "coefficients"),
)
COMPARED = {"coefficients": ("b",)}
"""Figure 7's first rung, of which the paper claims nothing."""
CARD = MethodCard(
    name="flowvqtalker", title="FlowVQTalker", kind="trainable", emotion_sources=("label", "video"),
    default_source="label", pose="generate", eye="generate", emotion="generate", diversity=True,
    identity_mode="one_shot", native_resolution=512, needs=("source_expression", "source_motion"),
    drives=(POSE, COEFFICIENTS, REFERENCE, RECONSTRUCT), drive_combinations=("pose-reference",), stages=STAGES,
    licence="written here; HuBERT, VGG-19 and the face model are files of the user, under their own terms",
    ablations=ABLATIONS, reported="flowvqtalker", expected_orderings=EXPECTED_ORDERINGS, metrics=METRICS,
    compared=COMPARED, interpolations=INTERPOLATIONS, emotion_pairs=PAIRS,
)  # fmt: skip
