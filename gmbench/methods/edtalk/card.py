"""What EDTalk is and can do, and what its paper claims of it."""

from gmbench.methods.card import LABEL, POSE_CLIP, REFERENCE, VIDEO, ExpectedOrdering, Interpolation, MethodCard
from gmbench.methods.edtalk.settings import ABLATIONS, SPACES, STAGES

INTERPOLATIONS = (Interpolation("weights", talking=True),)
"""The way between two emotions: on the line between the weights that are stored for them."""
PAIRS = (("fear", "sad"), ("happy", "angry"), ("neutral", "surprised"), ("disgusted", "contempt"))
METRICS = {
    "": ("sync_c", "acc_emo"),
    "video": ("psnr", "ssim", "fid", "m_lmd", "f_lmd", "acc_emo"),
    "label": ("acc_emo",),
}
"""Metrics of the videos from sound and words, of those that the scored clip drives, and of those by a label."""
EXPECTED_ORDERINGS = (
    ExpectedOrdering("acc_emo", ("", "wo_orthogonal", "wo_bank"), "Fig 6", "label", labelled=True),
    ExpectedOrdering("psnr", ("", "wo_orthogonal", "wo_bank"), "Fig 6", "video"),
    ExpectedOrdering("fid", ("", "wo_orthogonal", "wo_bank"), "Fig 6", "video"),
    ExpectedOrdering("m_lmd", ("video", "pose-reference"), "1"),
    ExpectedOrdering("sync_c", ("pose-reference", "video"), "1"),
)
"""Figure 6 orders ablations, table 1 two ways to drive one training: by videos (V), and by sound (A)."""
CARD = MethodCard(
    name="edtalk", title="EDTalk", kind="trainable", emotion_sources=("audio", "text", "video", "label"),
    default_source="audio", pose="generate", eye="none", emotion="generate", diversity=True,
    identity_mode="one_shot", native_resolution=256, drivers=SPACES,
    drives=(VIDEO, POSE_CLIP, REFERENCE, LABEL), drive_combinations=("pose-reference", "pose-label"), stages=STAGES,
    licence="written here; HuBERT, RoBERTa and VGG-19 are files of the user, under their own terms",
    ablations=ABLATIONS, reported="edtalk", expected_orderings=EXPECTED_ORDERINGS, metrics=METRICS,
    interpolations=INTERPOLATIONS, emotion_pairs=PAIRS,
)  # fmt: skip
