"""Test 13 of DICE-Talk as a figure."""

from collections.abc import Mapping
from pathlib import Path

from gmbench.reporting import figures
from tests.acceptance.dice_videos import Scaled
from tests.acceptance.maths import mean


def draw_guidance(found: Mapping[float, Scaled], stem: Path) -> None:
    """What guidance gives and what it costs, as ``<stem>.png`` and ``.svg``; one point a scale."""
    figure = figures.new(7.2, 3.0)
    seen = [mean(list(at.probabilities)) for at in found.values()]
    costs = {
        "1 - likeness to the source": [1 - mean(list(at.likenesses)) for at in found.values()],
        "FID": [at.fid for at in found.values()],
    }
    for axis, (name, cost) in zip(figure.subplots(1, 2, sharey=True), costs.items(), strict=True):
        axis.plot(cost, seen, marker="o")
        for scale, x, y in zip(found, cost, seen, strict=True):
            axis.annotate(f"{scale:g}", (x, y), textcoords="offset points", xytext=(4, 4), fontsize=8)
        axis.set_xlabel(name, fontsize=8)
        axis.grid(alpha=0.3)
    figure.axes[0].set_ylabel("probability of the label", fontsize=8)
    figure.suptitle("scales of guidance", fontsize=9)
    stem.parent.mkdir(parents=True, exist_ok=True)
    figures.save(figure, stem)
