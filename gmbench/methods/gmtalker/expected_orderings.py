"""The orderings that GMTalker's paper reports of its ablations; a run can confirm, leave open, or contradict them."""

from gmbench.methods.card import ExpectedOrdering, Interpolation

INTERPOLATIONS = (
    Interpolation("sample_blend"),
    Interpolation("hard_switch"),
    Interpolation("mixture"),
    Interpolation("label_embed", "wo_gm_label"),
)
"""Ways between two emotions; ``label_embed`` is that of the system without a mixture."""
PAIRS = (("fear", "sad"), ("happy", "angry"), ("neutral", "surprised"), ("disgusted", "contempt"))
METRICS = {
    "pose": ("psnr", "ssim", "ssim_u7", "fid", "m_lmd", "f_lmd", "sync_c", "acc_emo", "emo_prob"),
    "": ("ba_m2a", "div", "pcm"),
}
"""Metrics of the videos under the reference's motion, and under their own."""
COMPARED = {"pose": ("wo_gm_label",)}

EXPECTED_ORDERINGS = (
    ExpectedOrdering("acc_emo", ("", "wo_emn", "wo_gm"), "V", "pose"),
    ExpectedOrdering("psnr", ("", "wo_emn", "wo_gm"), "V", "pose"),
    ExpectedOrdering("ba_m2a", ("", "wo_pretrain", "wo_flow"), "VI"),
    ExpectedOrdering("div", ("", "wo_pretrain", "wo_flow"), "VI"),
    ExpectedOrdering("pcm", ("", "wo_pretrain", "wo_flow"), "VI"),
    ExpectedOrdering("e_ppl", ("sample_blend", "hard_switch"), "III", "between"),
    ExpectedOrdering("e_ppl", ("sample_blend", "mixture"), "III", "between"),
    ExpectedOrdering("e_ppl", ("sample_blend", "label_embed"), "III", "between"),
    ExpectedOrdering("e_pdv", ("sample_blend", "hard_switch"), "III", "between"),
    ExpectedOrdering("e_pdv", ("sample_blend", "mixture"), "III", "between"),
    ExpectedOrdering("e_pdv", ("sample_blend", "label_embed"), "III", "between"),
)
