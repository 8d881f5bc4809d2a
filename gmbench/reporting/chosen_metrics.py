"""The few metrics that stand for all: at most seven, one or two of each aspect."""

from collections.abc import Iterable

from gmbench.metrics.key import MetricKey
from gmbench.metrics.spec import Group
from gmbench.reporting.metric_lookup import metric_of

ASPECTS: dict[Group, str] = {
    "picture": "Picture", "lips": "Lips", "emotion": "Emotion", "motion": "Motion", "identity": "Identity",
    "time": "Over time", "theval": "THEval", "": "Others",
}  # fmt: skip
"""What the groups of metrics are called above their tables, in the order of the tables."""
_PREFERRED: tuple[tuple[int, tuple[str, ...]], ...] = (
    (2, ("fid", "ssim", "lpips_alex", "psnr", "cpbd_gap", "cpbd")),
    (2, ("sync_c", "m_lmd", "sync_corr", "m_nlmd")),
    (1, ("acc_emo", "emo_score", "emo_prob", "aed")),
    (1, ("pcm", "div", "head_dyn_rot")),
    (1, ("f_sim",)),
)
"""By aspect, how many are chosen, and of which, the most wanted first."""
NAMES = tuple(name for _, names in _PREFERRED for name in names)
"""All that can be among the chosen."""


def chosen(keys: Iterable[str]) -> list[str]:
    """The keys that stand for all of some records' keys; the official extractor's before a fallback's.

    >>> chosen(["psnr", "ssim", "m_lmd_fb:corpus", "pcm_fb:pnp-corpus", "div_fb:pnp-corpus"])
    ['ssim', 'psnr', 'm_lmd_fb:corpus', 'pcm_fb:pnp-corpus']
    """
    by_name: dict[str, str] = {}
    for key in sorted(keys, key=lambda key: MetricKey.parse(key).fallback):
        by_name.setdefault(MetricKey.parse(key).name, key)
    return [by_name[name] for most, names in _PREFERRED for name in [n for n in names if n in by_name][:most]]


def aspect_of(key: str) -> Group:
    """The group of a metric; empty where its package does not say, or is not installed."""
    metric = metric_of(key)
    return metric.spec.group if metric else ""
