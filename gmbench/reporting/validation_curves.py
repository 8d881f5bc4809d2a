"""Pictures and tables of how metrics respond to corruption."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gmbench.evaluation.validate import CODECS, Curve
from gmbench.reporting import figures
from gmbench.reporting.table_formats import number


def draw(curves: Sequence[Curve], path: Path) -> None:
    """One small plot per metric and corruption that it should respond to, as PNG and SVG; red where it fails to."""
    expected = [curve for curve in curves if curve.expected]
    if not expected:
        return
    columns = 6
    lines = -(-len(expected) // columns)
    figure = figures.new(2.3 * columns, 1.9 * lines)
    for place, curve in enumerate(expected, start=1):
        axes = figure.add_subplot(lines, columns, place)
        axes.plot(range(len(curve.levels)), curve.values, "o-", markersize=3, color="C3" if curve.verdict else "C0")
        axes.set_xticks(range(len(curve.levels)), [f"{level:g}" for level in curve.levels])
        axes.set_title(f"{curve.metric}\n{curve.corruption}", fontsize=7)
        axes.tick_params(labelsize=6)
    figures.save(figure, path.with_suffix(""))


def markdown(curves: Sequence[Curve]) -> str:
    """A table of Spearman's rho, metrics by corruptions, and the verdicts below."""
    corruptions = list(dict.fromkeys(curve.corruption for curve in curves))
    metrics = list(dict.fromkeys(curve.metric for curve in curves))
    cells = {(curve.metric, curve.corruption): curve for curve in curves}
    lines = ["| Metric | " + " | ".join(corruptions) + " |", "|---" + "|---:" * len(corruptions) + "|"]
    for metric in metrics:
        row = [cells.get((metric, corruption)) for corruption in corruptions]
        lines.append(f"| {metric.replace('_', chr(92) + '_')} | " + " | ".join(_cell(curve) for curve in row) + " |")
    lines += ["", "Spearman's rho of level and deterioration: 1 is right, – no change.", ""]
    lines += ["**Bold**: the metric should respond; with ! it does not, or not at every level.", ""]
    lines += [f"- {curve.verdict}" for curve in curves if curve.verdict]
    return "\n".join([*lines, *_codecs(curves)]) + "\n"


@dataclass(frozen=True)
class ChangeByCodec:
    """What a codec alone does to a metric, at each of its rates.

    Attributes:
        relative: ``values`` are changes in per cent of the value before; else they are the values after it, since that
            before is zero or infinite.
    """

    relative: bool
    values: tuple[float, ...]

    def __str__(self) -> str:
        """All values, the mildest first."""
        return " / ".join(f"{v:.1f} %" if self.relative else f"{v:.3g}" for v in self.values)


def change_by_codec(curve: Curve) -> ChangeByCodec | None:
    """What the codec of a curve does to its metric; None where a value is missing."""
    before, *after = curve.values
    if any(math.isnan(value) for value in curve.values):
        return None
    if math.isinf(before) or abs(before) < _ZERO:
        return ChangeByCodec(False, tuple(after))
    return ChangeByCodec(True, tuple(100 * abs(value - before) / abs(before) for value in after))


_ZERO = 1e-6


def _codecs(curves: Sequence[Curve]) -> list[str]:
    """A table of what codecs alone do, of the metrics that they move; nothing where none was asked for."""
    codecs = list(dict.fromkeys(curve.corruption for curve in curves if curve.corruption in CODECS))
    found = {(curve.metric, curve.corruption): change_by_codec(curve) for curve in curves if curve.corruption in CODECS}
    rates = {curve.corruption: curve.levels[1:] for curve in curves}
    moved = [c.metric for c in curves if (change := found.get((c.metric, c.corruption))) and any(change.values)]
    if not moved:
        return []
    heads = [f"{codec} {'/'.join(f'{rate:g}' for rate in rates[codec])}" for codec in codecs]
    lines = ["", "What codecs alone do at each rate: change in per cent of the value before, or the value itself", ""]
    lines += ["| Metric | " + " | ".join(heads) + " |", "|---" + "|---:" * len(codecs) + "|"]
    for metric in dict.fromkeys(moved):
        changes = [found.get((metric, codec)) for codec in codecs]
        cells = [str(change) if change is not None and any(change.values) else "–" for change in changes]
        lines.append(f"| {metric.replace('_', chr(92) + '_')} | " + " | ".join(cells) + " |")
    return lines


def _cell(curve: Curve | None) -> str:
    if curve is None:
        return ""
    text = "–" if curve.rho != curve.rho else number(curve.rho)
    return f"**{text}**{' !' if curve.verdict else ''}" if curve.expected else text
