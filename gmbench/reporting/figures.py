"""Figures of the papers' kinds, each as PNG and as SVG from the same drawing; arrays in, files out.

Sources: correlation map, Audio2Head and GMTalker figs. 8 and 10; trace map, SadTalker; the rest is common use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmbench.store import write_atomically

Image = NDArray[np.uint8]
DPI = 110


def new(width: float, height: float) -> Any:
    """An empty figure of so many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Any, stem: Path) -> str:
    """Write ``<stem>.png`` and ``<stem>.svg``, the same bytes for the same figure; returns the PNG's name."""
    import io

    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "gmbench"}):
        for suffix, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, dpi=DPI, metadata=metadata)
            figure.set_layout_engine("none")  # the second file is the same drawing: its parts stay where they are
            write_atomically(stem.with_name(f"{stem.name}.{suffix}"), buffer.getvalue())
    return f"{stem.name}.png"


def grid(rows: Mapping[str, Sequence[Image]], columns: Sequence[str], stem: Path, side: float = 1.15) -> str:
    """Pictures (S, S, 3), one named row per method, one named column per time stamp or weight."""
    count = max(len(row) for row in rows.values())
    figure = new(1.2 + side * count, side * len(rows) + 0.3)
    axes = figure.subplots(len(rows), count, squeeze=False)
    for line, (name, row) in zip(axes, rows.items(), strict=True):
        for place, axis in enumerate(line):
            axis.set_xticks([])
            axis.set_yticks([])
            for spine in axis.spines.values():
                spine.set_visible(False)
            if place < len(row):
                axis.imshow(row[place], interpolation="antialiased")
        line[0].set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")
    for axis, text in zip(axes[0], columns, strict=False):
        axis.set_title(text, fontsize=8)
    return save(figure, stem)


@dataclass(frozen=True)
class Motion:
    """A head's motion along the reference's main axis: ``pc1`` (T,) degrees and ``beats`` (n,) frames."""

    pc1: NDArray[np.float64]
    beats: NDArray[np.float64]


def correlation_map(
    mel: NDArray[np.float32],
    onsets: NDArray[np.float64],
    beats: NDArray[np.float64],
    motions: Mapping[str, Motion],
    stem: Path,
) -> str:
    """Sound above, heads below, on one axis of time.

    Args:
        mel: (80, n) log-mel spectrogram of the whole clip.
        onsets: (T,) onset strength at 25 fps.
        beats: (b,) audio beats in frames.
        motions: by method, all projected on the reference's axis.
    """
    seconds = len(onsets) / 25
    figure = new(8, 1.9 + 0.75 * len(motions))
    axes = figure.subplots(2 + len(motions), 1, sharex=True, height_ratios=[1.3, 0.8, *[1] * len(motions)])
    axes[0].imshow(mel, origin="lower", aspect="auto", extent=(0, seconds, 0, 8), cmap="magma")
    axes[0].set_ylabel("mel [kHz]", fontsize=7)
    axes[1].plot(np.arange(len(onsets)) / 25, onsets, lw=1, color="0.3")
    axes[1].set_ylabel("onsets", fontsize=7)
    limit = max((float(np.nanmax(np.abs(m.pc1))) for m in motions.values() if np.isfinite(m.pc1).any()), default=1.0)
    for axis, (name, motion) in zip(axes[2:], motions.items(), strict=True):
        axis.plot(np.arange(len(motion.pc1)) / 25, motion.pc1, lw=1)
        beat_frames = motion.beats[motion.beats < len(motion.pc1)].astype(int)
        axis.plot(beat_frames / 25, motion.pc1[beat_frames], "o", ms=3, color="C3")
        axis.set_ylim(-1.05 * limit - 1e-6, 1.05 * limit + 1e-6)
        axis.set_ylabel(name, fontsize=7, rotation=0, ha="right", va="center")
    for axis in axes[1:]:
        for beat in beats / 25:
            axis.axvline(beat, color="C2", lw=0.6, alpha=0.6)
    for axis in axes:
        axis.tick_params(labelsize=6)
    axes[-1].set_xlabel("time [s]; green: audio beats, red: beats of the head; heads in degrees", fontsize=7)
    return save(figure, stem)


def trace_map(traces: Mapping[str, NDArray[np.float64]], size: tuple[int, int], stem: Path) -> str:
    """Contours of the 68 points (T, 68, 2) of all frames on the full frame (height, width); colour is time."""
    import matplotlib as mpl

    figure = new(2.4 * len(traces), 2.7)
    parts = ((0, 17), (17, 22), (22, 27), (27, 36), (36, 42), (42, 48), (48, 60), (60, 68))
    colours = mpl.colormaps["viridis"]
    for axis, (name, points) in zip(figure.subplots(1, len(traces), squeeze=False)[0], traces.items(), strict=True):
        opacity = max(0.04, 1 / len(points) ** 0.5)
        for t, face in enumerate(points):
            for first, last in parts:
                axis.plot(*face[first:last].T, lw=0.6, alpha=opacity, color=colours(t / len(points)))
        axis.set_xlim(0, size[1])
        axis.set_ylim(size[0], 0)
        axis.set_aspect("equal")
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_title(name, fontsize=8)
    return save(figure, stem)


def confusion(table: NDArray[np.integer], names: Sequence[str], title: str, stem: Path) -> str:
    """Counts (K, K), targets down and what the extractor recognised across; colour is the share of a row."""
    figure = new(1.2 + 0.45 * len(names), 1.1 + 0.42 * len(names))
    axis = figure.subplots()
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(table):
        if count:
            axis.text(
                column,
                row,
                str(count),
                ha="center",
                va="center",
                fontsize=7,
                color="w" if share[row, column] > 0.6 else "k",
            )
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=7)
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.set_xlabel("recognised by the extractor", fontsize=8)
    axis.set_ylabel("asked for", fontsize=8)
    axis.set_title(title, fontsize=8)
    return save(figure, stem)


def losses(logs: Mapping[str, pd.DataFrame], stem: Path) -> str:
    """Training curves: a table of losses by step for each part."""
    figure = new(3.2 * max(1, len(logs)), 2.6)
    for axis, (part, table) in zip(figure.subplots(1, max(1, len(logs)), squeeze=False)[0], logs.items(), strict=False):
        for name in table.columns:
            axis.plot(table.index, table[name], label=name, lw=1)
        axis.set_yscale("symlog", linthresh=0.01)
        axis.set_title(part, fontsize=8)
        axis.tick_params(labelsize=6)
        axis.legend(fontsize=6)
    return save(figure, stem)


def angles(curves: Mapping[str, NDArray[np.floating]], stem: Path) -> str:
    """Pitch, yaw and roll (T, 3) in degrees of the same sound."""
    figure = new(7, 4.5)
    axes = figure.subplots(3, 1, sharex=True)
    for axis, label, column in zip(axes, ("pitch", "yaw", "roll"), range(3), strict=True):
        for name, pose in curves.items():
            axis.plot(np.arange(len(pose)) / 25, pose[:, column], label=name, lw=1)
        axis.set_ylabel(f"{label} [deg]", fontsize=8)
    axes[0].legend(fontsize=7, ncols=3)
    axes[-1].set_xlabel("time [s]", fontsize=8)
    return save(figure, stem)


def against_cost(rows: Mapping[str, Mapping[str, Mapping[str, tuple[float, float]]]], stem: Path) -> str:
    """Values of methods under some metrics against costs: (cost, value) by the cost's label, metric and method."""
    columns = max(len(panels) for panels in rows.values())
    figure = new(3.2 * columns, 3.0 * len(rows) + 0.2)
    names = list(dict.fromkeys(name for panels in rows.values() for points in panels.values() for name in points))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes, (label, panels) in zip(grid, rows.items(), strict=True):
        for axis in axes[len(panels) :]:
            axis.set_axis_off()
        for axis, (metric, points) in zip(axes, panels.items(), strict=False):
            for method, (cost, value) in points.items():
                axis.scatter(cost, value, s=24, color=f"C{names.index(method)}", label=method)
            axis.margins(0.15)
            axis.set_xlim(left=0)
            axis.set_xlabel(label, fontsize=7)
            axis.set_title(metric, fontsize=8)
            axis.tick_params(labelsize=6)
    shown = [pair for axis in figure.axes for pair in zip(*axis.get_legend_handles_labels(), strict=True)]
    handles = {label: handle for handle, label in shown}
    figure.legend(handles.values(), handles, fontsize=7, ncols=min(6, len(handles)), loc="outside lower center")
    return save(figure, stem)
