"""Draw the table of an evaluation as a picture: ``python docs/picture.py RESULTS docs/table.png METRIC ...``."""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from gmbench.evaluation.results.records import read
from gmbench.reporting.tables import build


def main(results: str, target: str, *metrics: str) -> None:
    """Read records, build the table and draw it."""
    table = build(read(Path(results)), list(metrics))
    header = [text.replace(" [", "\n[").replace(" (fallback", "\n(fallback") for text in table.header]
    cells = [[c.text + (f"\n[{c.interval}]" if c.interval else "") for c in row] for row in table.body]
    figure, axes = plt.subplots(figsize=(2.0 * len(header), 0.62 * (len(cells) + 2)))
    axes.axis("off")
    axes.set_title(table.title, fontsize=10, loc="left")
    grid = axes.table(cells, colLabels=header, loc="center", cellLoc="center", edges="horizontal")
    grid.auto_set_font_size(False)
    grid.set_fontsize(9)
    grid.scale(1, 2.6)
    for (row, column), cell in grid.get_celld().items():
        bold = row == 0 or table.body[row - 1][column].bold
        if row == 0:
            cell.set_height(1.5 * cell.get_height())
        cell.get_text().set_fontweight("bold" if bold else "normal")
    figure.savefig(target, dpi=110, bbox_inches="tight", metadata={"Software": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
