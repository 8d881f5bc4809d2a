"""Pictures of how metrics respond to corruption."""

from collections.abc import Sequence
from pathlib import Path

from gmbench.evaluation.validate import Curve
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
    return "\n".join(lines) + "\n"


def _cell(curve: Curve | None) -> str:
    if curve is None:
        return ""
    text = "–" if curve.rho != curve.rho else number(curve.rho)
    return f"**{text}**{' !' if curve.verdict else ''}" if curve.expected else text
