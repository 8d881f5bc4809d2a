"""When each stored frame is shown: from time stamps to slots of 25 frames a second. Arithmetic alone.

A source frame belongs to slot round(25 t) and stays on screen until the next one; of several frames in one slot, or
with one time stamp, the last is kept. For a constant rate t counts from the first frame, so that frame k of a video at
25 fps is frame k in every container; for a variable one from where sound or picture begins. Containers round time
stamps, to a millisecond at worst: stamps that lie that near to multiples of a rate's period are taken as those
multiples. Otherwise a copy of a 30-fps video in Matroska would show other frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from gmbench.media.formats import FPS

ROUNDING = 0.001
"""Seconds by which a container may misstate a time stamp."""
FEW = 0.1
"""Share of a steady rate's periods that may lack a frame and still look lost."""
_USUAL_RATES = tuple(
    (rate, float(rate))
    for rate in sorted(
        {Fraction(n) for n in (*range(1, 61), 72, 75, 90, 100, 120)}
        | {Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)}
        | {Fraction(15, 2), Fraction(25, 2), Fraction(25, 3)}
    )
)


@dataclass(frozen=True)
class Schedule:
    """Which stored frame fills which slots.

    Attributes:
        repeats: (n,) how many slots each stored frame fills, in order of presentation; 0 where it is never shown.
        origin: time of slot 0 in seconds after the first frame, at most 0.
        rate: stored frames a second; the mean of a variable rate.
        variable: the steps between frames differ by more than rounding.
        missing: frames that a steady rate left out here and there; see :attr:`Grid.left_out`.
    """

    repeats: NDArray[np.int64]
    origin: Fraction
    rate: float
    variable: bool
    missing: int = 0


@dataclass(frozen=True)
class Grid:
    """Multiples of a period that time stamps stand for.

    Attributes:
        rate: periods a second.
        counts: (n,) multiple of each stamp, from 0.
    """

    rate: Fraction
    counts: NDArray[np.int64]

    @property
    def steady(self) -> bool:
        """Whether no period is left out."""
        return bool((np.diff(self.counts) == 1).all())

    @property
    def left_out(self) -> int:
        """Periods without a frame; 0 where more than :data:`FEW` of all lack one: the rate varies by intent."""
        missing = int((np.diff(self.counts) - 1).clip(min=0).sum())
        return missing if missing <= FEW * int(self.counts[-1]) else 0


def schedule(
    ticks: NDArray[np.int64], tick: Fraction, last: Fraction, lead: Fraction, stated: Sequence[Fraction] = ()
) -> Schedule:
    """Assign the stored frames of a video to slots.

    Args:
        ticks: (n,) ascending time stamps, n >= 1.
        tick: seconds of one.
        last: how long the last frame is shown, in seconds; 0 if unknown.
        lead: seconds by which the sound begins before the first frame. At a variable rate the first frame fills them,
            so that frames lie as on a clock that sound and picture share; a constant rate begins with its first frame.
        stated: rates that the file names, in frames a second.
    """
    grid = grid_of(ticks, tick, stated)
    counts, unit = (grid.counts, 1 / grid.rate) if grid else (ticks - ticks[0], tick)
    named = 1 / stated[0] if stated else Fraction(1, FPS)
    usual = 1 / grid.rate if grid else _usual_step(ticks) * tick or named
    end = int(counts[-1]) * unit + (last if last > usual * 3 / 2 or (not grid and last > 0) else usual)
    steady = len(ticks) == 1 or (grid is not None and grid.steady)
    phase = Fraction(0) if steady else lead
    slots = [round_half_up((phase + int(n) * unit) * FPS) for n in counts]
    slots[0] = 0  # a late first frame also fills the time before it
    total = max(1, round_half_up((phase + end) * FPS))
    repeats = np.diff(np.minimum([*slots, total], total)).astype(np.int64)
    rate = grid.rate if grid and steady else len(ticks) / end if end > 0 else Fraction(FPS)
    return Schedule(repeats, -phase, float(rate), not steady, grid.left_out if grid else 0)


def grid_of(ticks: NDArray[np.int64], tick: Fraction, stated: Sequence[Fraction] = ()) -> Grid | None:
    """The slowest rate whose periods all stamps (n,) are near to, None where the rate is variable.

    Usual rates go before others, since a rate that the header states is often a mean of rounded stamps.
    """
    times, usual_step = (ticks - ticks[0]) * float(tick), _usual_step(ticks)
    step = usual_step * float(tick)
    if step <= 0:
        return None
    others = ((rate, float(rate)) for rate in (*stated, 1 / (usual_step * tick)))
    fitting = []
    for usual, rates in ((True, _USUAL_RATES), (False, others)):
        for rate, per_second in rates:
            periods = step * per_second
            if not 0.5 < periods < 3.5 or abs(periods - round(periods)) > 0.45:
                continue
            counts = np.rint(times * per_second).astype(np.int64)
            spread = float(np.ptp(times - counts / per_second)) / 2
            if spread <= max(ROUNDING, float(tick)) and counts[-1] > 0:
                fitting.append((not (usual and spread <= ROUNDING), round(spread, 6), rate, counts))
    if not fitting:
        return None
    _, _, rate, counts = min(fitting, key=lambda found: found[:3])
    return Grid(rate, counts)


def with_true_start(
    ticks: NDArray[np.int64], tick: Fraction, delay: Fraction, longest_shift: Fraction, stated: Sequence[Fraction] = ()
) -> NDArray[np.int64]:
    """Time stamps (n,) with the first one put right where the muxer set it to zero.

    To begin with a sound that has an encoder's ``delay`` (seconds), some muxers shift all frames but the first, which
    stays at zero: 0, 104, 144, 184 ms. So a first step that exceeds all others is taken to be as long as the longest of
    them: by at most the delay, a frame and a tick, or ``longest_shift`` seconds where all others are equal.
    """
    if len(ticks) < 4:
        return ticks
    rest = grid_of(ticks[1:], tick, stated)
    steady = rest is not None and rest.steady
    longest = 1 / (rest.rate * tick) if rest is not None and steady else Fraction(int(np.diff(ticks[1:]).max()))
    excess = (int(ticks[1] - ticks[0]) - longest) * tick
    most = delay + Fraction(1, FPS) + tick
    if not ROUNDING < excess <= (max(most, longest_shift) if steady else most):
        return ticks
    return np.concatenate([[int(ticks[1]) - round(longest)], ticks[1:]])


def _usual_step(ticks: NDArray[np.int64]) -> int:
    steps = np.diff(np.unique(ticks))
    return int(np.median(steps)) if len(steps) else 0


def round_half_up(value: Fraction) -> int:
    """The nearest whole number, the larger of two equally near ones."""
    return int((value + Fraction(1, 2)).__floor__())
