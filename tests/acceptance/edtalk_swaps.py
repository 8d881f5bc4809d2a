"""Draws the films of EDTalk's acceptance tests 3 to 6 and 15, has them judged, and draws test 6's figure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gmbench.emotions import SUITE_ORDER
from gmbench.methods.edtalk.settings import SPACES
from gmbench.reporting import figures
from tests.acceptance.edtalk_clips import NEUTRAL, Drawing
from tests.acceptance.judges import Judges, large
from tests.acceptance.swaps import ExpressionSwap, IdentitySwap, Leakage, Swap

SHOWN = 3
"""Drivers in the figure."""


def draw_swap(drawing: Drawing, judges: Judges, source: int, driver: int) -> Swap:
    """One space of a still source at a time follows a driver."""
    film = large(drawing.clips[driver].film())
    given = drawing.weights(driver, len(film))
    own = drawing.own(source, len(film))
    films = {name: large(drawing.draw(source, {**own, name: given[name]})) for name in SPACES}
    still = drawing.draw(source, {name: part[:1] for name, part in own.items()})
    real = judges.see(film)
    widest = int(np.nan_to_num(real.opening).argmax())
    picture = large([drawing.clips[source].source])
    shown = [picture[0], film[widest], *(films[name][widest] for name in SPACES)]
    driven = {name: judges.see(frames) for name, frames in films.items()}
    return Swap(judges.see(picture), real, judges.see(still), driven, shown)


def draw_expression_swap(drawing: Drawing, judges: Judges, source: int, driver: int) -> ExpressionSwap | None:
    """The source's clip drives mouth and pose, the driver the expression; None where that is neutral."""
    emotion = drawing.clips[driver].emotion
    if emotion == NEUTRAL or emotion not in SUITE_ORDER:
        return None
    own = drawing.weights(source)
    frames = len(own["mouth"])
    calm = {**own, "expression": drawing.own(source, frames)["expression"]}
    moved = {**own, "expression": drawing.weights(driver, frames)["expression"]}
    before, after = (judges.see(drawing.draw(source, weights)) for weights in (calm, moved))
    return ExpressionSwap(judges.see(drawing.clips[source].film()), before, after, emotion)


def draw_identity_swap(drawing: Drawing, judges: Judges, source: int, driver: int) -> IdentitySwap:
    """A clip of the source's person, then the driver, drives all spaces."""
    own, other = (judges.see(drawing.draw(source, drawing.weights(n))) for n in (source, driver))
    stranger = judges.see(drawing.clips[driver].film())
    return IdentitySwap(judges.see([drawing.clips[source].source]), own, other, stranger)


def draw_leakage(leakage: Leakage, swaps: Sequence[Swap], stem: Path) -> None:
    """Test 6 as ``<stem>.png`` and ``.svg``: the matrix, and swapped pictures, rows drivers and columns factors."""
    figure = figures.new(9.5, 3.6)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.7))
    axis = left.subplots()
    axis.imshow(np.nan_to_num(leakage.matrix), cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(leakage.matrix):
        text = f"{value:.2f}" if np.isfinite(value) else "missing"
        axis.text(column, row, text, ha="center", va="center", color="white" if value > 0.6 else "black")
    axis.set_xticks(range(3), leakage.names, fontsize=8)
    axis.set_yticks(range(3), leakage.names, fontsize=8)
    axis.set_xlabel("changes, of the driver's change", fontsize=8)
    axis.set_ylabel("follows the driver", fontsize=8)
    shown = [swap.pictures for swap in swaps[:: max(1, len(swaps) // SHOWN)][:SHOWN] if swap.pictures]
    if shown:
        titles = ("source", "driver", *(f"{name} follows" for name in leakage.names))
        grid = right.subplots(len(shown), len(titles), squeeze=False)
        for line, pictures in zip(grid, shown, strict=True):
            for place, picture in zip(line, pictures, strict=True):
                place.imshow(picture)
                place.set_axis_off()
        for place, title in zip(grid[0], titles, strict=True):
            place.set_title(title, fontsize=8)
    stem.parent.mkdir(parents=True, exist_ok=True)
    figures.save(figure, stem)
