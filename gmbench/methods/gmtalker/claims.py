"""What GMTalker's ablations claim: orderings that a run can confirm, leave open, or contradict."""

from gmbench.methods.card import Claim

INTERPOLATIONS = ("sample_blend", "hard_switch", "mixture")
"""Ways between two emotions of the full system; ``label_embed`` is that of the system without a mixture."""
PAIRS = (("fear", "sad"), ("happy", "angry"), ("neutral", "surprised"), ("disgusted", "contempt"))

CLAIMS = (
    Claim("acc_emo", ("", "wo_emn", "wo_gm"), "V", "pose"),
    Claim("psnr", ("", "wo_emn", "wo_gm"), "V", "pose"),
    Claim("ba_m2a", ("", "wo_pretrain", "wo_flow"), "VI"),
    Claim("div", ("", "wo_pretrain", "wo_flow"), "VI"),
    Claim("pcm", ("", "wo_pretrain", "wo_flow"), "VI"),
    Claim("e_ppl", ("sample_blend", "hard_switch"), "III", "between"),
    Claim("e_ppl", ("sample_blend", "mixture"), "III", "between"),
    Claim("e_ppl", ("sample_blend", "label_embed"), "III", "between"),
    Claim("e_pdv", ("sample_blend", "hard_switch"), "III", "between"),
    Claim("e_pdv", ("sample_blend", "mixture"), "III", "between"),
    Claim("e_pdv", ("sample_blend", "label_embed"), "III", "between"),
)
