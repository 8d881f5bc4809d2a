"""What GMTalker is and can do, and the orderings of ablations that its paper reports.

A run can confirm, leave open, or contradict those.

BA and PCM, which the paper orders too, carry no verdict: by PCM a held first frame beats every system and by BA chance
does (:mod:`gmbench.stages.generated_motion` prints both beside them).
"""

from gmbench.methods.card import (
    BETWEEN,
    COEFFICIENTS,
    POSE,
    TALKING,
    TRACKS,
    ExpectedOrdering,
    Interpolation,
    MethodCard,
)
from gmbench.methods.gmtalker.settings import ABLATIONS

INTERPOLATIONS = (
    Interpolation("sample_blend", talking=True),
    Interpolation("label_embed", "wo_gm_label", talking=True),
    Interpolation("hard_switch", bound=True),
    Interpolation("mixture", bound=True),
)
"""Ways between two emotions. ``label_embed`` is that of the system without a mixture, its emotion mapping network
blended as in ``sample_blend``; the others lose by construction, by one jump or by another component at each step."""
PAIRS = (("fear", "sad"), ("happy", "angry"), ("neutral", "surprised"), ("disgusted", "contempt"))
METRICS = {"pose": ("psnr", "ssim", "ssim_u7", "fid", "m_lmd", "f_lmd", "sync_c", "acc_emo", "emo_prob")}
"""Metrics of the videos under the reference's motion."""
COMPARED = {"pose": ("wo_gm_label", "literal"), TRACKS: ("wo_flow-wo_pretrain",)}
"""Run beside those in an ordering: the honest strong baseline, the print's objective, the fourth of two by two."""
ONE_HEAD = "one_head"
"""Ablation that takes the head generators of seed 0 whatever the seed."""
HEAD_SEEDS = 3
"""Head generators are nine tenths of a seed's cost."""

EXPECTED_ORDERINGS = (
    ExpectedOrdering("acc_emo", ("", "wo_emn", "wo_gm"), "V", "pose", labelled=True, most_seeds=HEAD_SEEDS),
    ExpectedOrdering("psnr", ("", "wo_emn", "wo_gm"), "V", "pose", labelled=True, most_seeds=HEAD_SEEDS),
    ExpectedOrdering("acc_emo", ("", "wo_gm"), "V", "pose", labelled=True, shared=(ONE_HEAD,)),
    ExpectedOrdering("div", ("", "wo_pretrain", "wo_flow"), "VI", TRACKS, shared=(ONE_HEAD,)),
    ExpectedOrdering("e_ppl", ("sample_blend", "label_embed"), "III", BETWEEN, labelled=True, shared=(ONE_HEAD,)),
    ExpectedOrdering("e_pdv", ("sample_blend", "label_embed"), "III", BETWEEN, labelled=True, shared=(ONE_HEAD,)),
    ExpectedOrdering("e_ppl", ("sample_blend", "label_embed"), "III", TALKING, labelled=True, shared=(ONE_HEAD,)),
    ExpectedOrdering("e_pdv", ("sample_blend", "label_embed"), "III", TALKING, labelled=True, shared=(ONE_HEAD,)),
    ExpectedOrdering("sync_c", ("sample_blend", "label_embed"), "III", TALKING, labelled=True, shared=(ONE_HEAD,)),
)
CARD = MethodCard(
    name="gmtalker", title="GMTalker", kind="trainable", emotion_sources=("label",), default_source="label",
    pose="generate", eye="generate", emotion="generate", diversity=True, identity_mode="person_specific",
    native_resolution=512, drives=(POSE, COEFFICIENTS), stages=("gmeg", "nfmg", "head"),
    licence="written here; FaceVerse and HuBERT are files of the user, under their own terms",
    ablations=ABLATIONS, reported="gmtalker", expected_orderings=EXPECTED_ORDERINGS,
    metrics=METRICS, compared=COMPARED, interpolations=INTERPOLATIONS, emotion_pairs=PAIRS,
)  # fmt: skip
