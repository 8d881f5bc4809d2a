"""Emotion: attention over frames as Emotion-FAN does it; what accuracy and Emo-Score are."""

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.spec import MetricSpec

SUITE_ORDER = ("angry", "contempt", "disgusted", "fear", "happy", "neutral", "sad", "surprised")
"""Emotions in the suite's order; labels of other networks are mapped by name."""
EMO_SCORE_CLASSES = ("neutral", "happy", "surprised", "angry")


def attended(
    features: NDArray[np.floating], alpha: NDArray[np.floating], beta: NDArray[np.floating], released: bool
) -> NDArray[np.float64]:
    """Clip vector (2 d,) of Emotion-FAN from what :func:`first_attention` gave and relation attention.

    Args:
        features: (T, d) frame features.
        alpha, beta: (T,) self-attention and relation-attention weights.
        released: the released evaluation leaves beta out of the numerator: sum alpha [f; f_v] / sum alpha beta.

    Returns:
        sum alpha beta [f; f_v] / sum alpha beta.

    Source: Meng et al., Frame attention networks, ICIP 2019, eq. 4.
    """
    f, a, b = (np.asarray(x, np.float64) for x in (features, alpha, beta))
    joined = np.concatenate([f, np.broadcast_to(first_attention(f, a), f.shape)], axis=1)
    weights = a if released else a * b
    return np.asarray(weights @ joined / (a * b).sum())


def first_attention(features: NDArray[np.floating], alpha: NDArray[np.floating]) -> NDArray[np.float64]:
    """f_v (d,) = sum alpha f / sum alpha of features (T, d). Source: Meng et al., eq. 2."""
    a = np.asarray(alpha, np.float64)
    return np.asarray(a @ np.asarray(features, np.float64) / a.sum())


_ACC_TRAPS = (
    "Classifiers differ from paper to paper (ground truth 84.4, 81.7, 79.7): never compare across classifiers, and "
    "read the ground-truth row. A clip without a face counts as wrong. Chance is 12.5 with eight emotions. The "
    "published ground-truth 84.37 is the figure in the classifier's file name."
)
_FAN = "Emotion-FAN (Meng et al., ICIP 2019), MEAD checkpoint of the EAT evaluation, all frames"
_AFFECT = "DICE-Talk T. 1, T. 4; EMO-AffectNet (Ryumina et al., 2022), RAVDESS fold"
_SCORE_TRAPS = (
    "Whether DICE-Talk takes probabilities or hits, and which of six networks, is not stated: here it is the mean "
    "probability of the target. A clip without a face scores 0. Only neutral, happy, surprised and angry count."
)

SPECS = (
    MetricSpec(
        name="acc_emo",
        title="Acc. emo",
        group="emotion",
        version=2,
        direction="higher",
        unit="%",
        range="[0, 100]",
        needs=("emotion", "network"),
        aggregation="clip hit or miss -> share of clips (micro)",
        source="GMTalker T. I, II, V; FlowVQTalker T. 1; EDTalk T. 1; " + _FAN,
        interpretation="Share of clips in which the classifier sees the emotion that was asked for.",
        caveats=_ACC_TRAPS,
    ),
    MetricSpec(
        name="acc_emo_macro",
        title="Acc. emo (macro)",
        group="emotion",
        version=2,
        direction="higher",
        unit="%",
        range="[0, 100]",
        needs=("emotion", "network"),
        aggregation="clip hit or miss -> mean over emotions of the emotions' means",
        source=_FAN,
        interpretation="As acc_emo with every emotion counting the same, however many clips it has.",
        caveats=_ACC_TRAPS,
    ),
    MetricSpec(
        name="emo_prob",
        title="P(target emotion)",
        group="emotion",
        version=2,
        direction="higher",
        unit="",
        range="[0, 1]",
        needs=("emotion", "network"),
        aggregation="clip value -> clip mean",
        source=_FAN + "; softmax of the target emotion",
        interpretation="The classifier's confidence in the emotion that was asked for; moves before the accuracy does.",
        caveats=_ACC_TRAPS,
        default=False,
    ),
    *(
        MetricSpec(
            name=name,
            title=title,
            group="emotion",
            version=2,
            direction="higher",
            unit="",
            range="[0, 1]",
            needs=("emotion", "network"),
            aggregation=aggregation,
            source=_AFFECT,
            interpretation=interpretation,
            caveats=_SCORE_TRAPS,
            default=default,
        )
        for name, title, aggregation, interpretation, default in (
            (
                "emo_score", "Emo-Score", "mean over the four emotions of the emotions' clip means",
                "Mean probability of the target emotion, four emotions alike.", True,
            ),
            (
                "emo_neutral", "Emo-Score neutral", "mean over clips of the emotion",
                "The neutral part of Emo-Score.", False,
            ),
            (
                "emo_nonneutral", "Emo-Score non-neutral", "mean over the three emotions of the emotions' clip means",
                "The other three quarters: a method that never leaves neutral shows here.", False,
            ),
            (
                "emo_acc4", "Emo-Score hits", "mean over the four emotions of the emotions' hit rates",
                "Emo-Score with hit or miss in place of the probability.", False,
            ),
        )
    ),
)  # fmt: skip
