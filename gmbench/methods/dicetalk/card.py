"""What DICE-Talk is and can do, and what its paper claims of it."""

from gmbench.methods.card import EMBEDDINGS, RECONSTRUCT, REFERENCE, ExpectedOrdering, Interpolation, MethodCard
from gmbench.methods.dicetalk.settings import ABLATIONS, STAGES

INTERPOLATIONS = (Interpolation("prior", talking=True), Interpolation("hard_switch", bound=True))
"""Ways between two emotions: on the line between their priors, which the bank then sees, or flipped half way."""
PAIRS = (("fear", "sad"), ("happy", "angry"), ("neutral", "surprised"), ("disgusted", "contempt"))
METRICS = {"": ("acc_emo", "f_sim", "sync_c"), "reference": ("emo_score", "emo_neutral", "emo_nonneutral", "f_sim")}
"""Metrics of the videos from labels (P), and of those from a reference clip (V): table 4."""
EXPECTED_ORDERINGS = (
    ExpectedOrdering(
        "emo_score", ("", "learnable_ca", "wo_prior", "wo_bank"), "4", "reference", "strangers", labelled=True
    ),
    ExpectedOrdering("emo_score", ("", "wo_discrimination"), "4", "reference", "strangers", labelled=True),
    ExpectedOrdering("emo_neutral", ("wo_bank", ""), "4", "reference", "strangers", labelled=True),
    ExpectedOrdering("f_sim", ("", "wo_prior"), "4", "reference", "strangers"),
    ExpectedOrdering("d_cls", ("both", "face", "sound"), "5", EMBEDDINGS, labelled=True),
)
OPTIONS = {
    "guidance": "scale of sound and emotion, g2",
    "emotion_guidance": "scale of the emotion alone, with a fourth pass",
    "steps": "of the sampler",
}
CARD = MethodCard(
    name="dicetalk", title="DICE-Talk", kind="trainable", emotion_sources=("label", "video", "audio"),
    default_source="label", pose="generate", eye="generate", emotion="generate", diversity=True,
    identity_mode="one_shot", native_resolution=512, drives=(REFERENCE, RECONSTRUCT), stages=STAGES,
    licence="written here; Stable Video Diffusion and Whisper are files of the user, under their own terms",
    ablations=ABLATIONS, reported="dicetalk", expected_orderings=EXPECTED_ORDERINGS, metrics=METRICS,
    interpolations=INTERPOLATIONS, emotion_pairs=PAIRS, options=OPTIONS,
    caveat="its small networks show an emotion in part of the videos, beside visible noise",
)  # fmt: skip
