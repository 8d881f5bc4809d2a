"""Pictures of what a trained system does: frames beside the truth, steps between emotions, motion, latents, losses."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmbench.audio.hubert import to_video_rate
from gmbench.datasets.manifest import Row
from gmbench.evaluation import records
from gmbench.media import Video, read_audio
from gmbench.methods import capabilities, registry
from gmbench.methods.gmtalker.claims import PAIRS
from gmbench.methods.interface import EmotionSpec, GenRequest
from gmbench.methods.registry import System
from gmbench.morphable import tracks
from gmbench.reporting import latents, pictures
from gmbench.shards import read as read_shard
from gmbench.stages import coefficients, evaluate, systems
from gmbench.stages.layout import REPORTS
from gmbench.stages.run import Run

COLUMNS, STRIP = 6, 9
"""Time stamps of a row of frames; pictures shown of a sequence between two emotions."""
GRID_METRIC = "psnr"


def showcase(run: Run, name: str) -> list[str]:
    """Pictures of a trained system below ``reports``, and the part of the page that shows them."""
    system = System.parse(name)
    shown = [n for n in run.params.methods if n.split("-")[0] == system.method or n in ("render", "refit")]
    rows = evaluate.scored_rows(run)
    prefix = f"{run.layout.dataset}-{system.name}"
    parts = [f"<h3>{html.escape(system.name)}</h3>"]
    for kind, row in _extremes(run, shown, rows).items():
        path = REPORTS / f"{prefix}-{kind}.png"
        pictures.save(path, _grid(run, row, shown))
        what = f"{kind} {GRID_METRIC} of {_judged(shown)}: {row.clip_id}; rows: ground truth, {', '.join(shown)}"
        parts.append(f'<p><img src="{path.name}" alt="{kind} clip"><br>{html.escape(what)}</p>')
    made = registry.create(system.method)
    made.load(systems.models(run.layout.dataset, system))
    strips = REPORTS / f"{prefix}-between.png"
    pictures.save(strips, _strips(run, made, rows))
    pairs = "; ".join(f"{a} to {b}" for a, b in PAIRS)
    parts.append(f'<p><img src="{strips.name}" alt="between emotions"><br>Same instant and noise: {pairs}.</p>')
    _draw_motion(run, made, rows[0], REPORTS / f"{prefix}-motion.png")
    parts.append(
        f'<p><img src="{prefix}-motion.png" alt="head motion"><br>Head motion of {html.escape(rows[0].clip_id)}.</p>'
    )
    space = _latents(run, made)
    latents.draw_map(space, REPORTS / f"{prefix}-latents.png")
    numbers = {r["measure"]: r["value"] for r in latents.latent_rows(space) if not r["emotion"]}
    told = ", ".join(f"{measure} {value:.3f}" for measure, value in numbers.items())
    parts.append(f'<p><img src="{prefix}-latents.png" alt="latents"><br>Expression latents of all clips: {told}.</p>')
    _draw_losses(systems.models(run.layout.dataset, system) / "losses", REPORTS / f"{prefix}-losses.png")
    parts.append(f'<p><img src="{prefix}-losses.png" alt="losses"></p>')
    return parts + _capabilities(run, made, rows[0])


def _capabilities(run: Run, made: Any, row: Row) -> list[str]:
    """What the card says beside what was measured."""
    others = [name for name in getattr(made, "emotions", ()) if name and name != row.emotion]
    if not others:
        return []
    sound = read_audio(run.layout.crops / row.video_path)
    request = GenRequest(row.clip_id, sound, EmotionSpec({row.emotion: 1.0}), row.speaker)
    found = capabilities.check(made, request, EmotionSpec({others[0]: 1.0}))
    lines = [f"<tr><td>{f.what}<td>{f.said}<td>{f.measured}<td>{'yes' if f.holds else 'NO'}</tr>" for f in found]
    return [f"<table><tr><th>change<th>card<th>measured<th>holds</tr>{''.join(lines)}</table>"]


def _judged(shown: Sequence[str]) -> str:
    """The system whose score picks the clips: with the reference's motion, if it was run."""
    own = [n for n in shown if n not in ("render", "refit")]
    return next((n for n in own if "pose" in n.split("-")), own[0])


def _extremes(run: Run, shown: Sequence[str], rows: list[Row]) -> dict[str, Row]:
    table = records.read(run.layout.scores / records.FILE)
    own = table[(table["metric"] == GRID_METRIC) & (table["method"] == _judged(shown))].dropna(subset=["value"])
    by_clip = {row.video_path.removesuffix(".mp4"): row for row in rows}
    if own.empty:
        return {"first": rows[0]}
    ordered = [str(clip) for clip in own.sort_values("value")["clip"]]
    return {"best": by_clip[ordered[-1]], "worst": by_clip[ordered[0]]}


def _grid(run: Run, row: Row, shown: Sequence[str]) -> NDArray[np.uint8]:
    """Frames at the same time stamps: the truth, then each system."""
    paths = [run.layout.crops / row.video_path, *(run.layout.videos(name) / row.video_path for name in shown)]
    lines = []
    for path in paths:
        if not path.exists():
            continue
        frames = list(Video(path))
        places = np.linspace(0, len(frames) - 1, COLUMNS + 2).round().astype(int)[1:-1]
        lines.append([_sized(frames[t]) for t in places])
    return pictures.contact_sheet(lines)


def _strips(run: Run, made: Any, rows: list[Row]) -> NDArray[np.uint8]:
    lines = []
    for number, (a, b) in enumerate(PAIRS):
        row = rows[number % len(rows)]
        if not {a, b} <= set(getattr(made, "emotions", ())):
            continue
        sound = read_audio(run.layout.crops / row.video_path)[: 25 * systems.SAMPLES_PER_FRAME]
        request = GenRequest(row.clip_id, sound, EmotionSpec({a: 1.0}), row.speaker, run.params.seed + number)
        steps = made.interpolate(request, EmotionSpec({a: 1.0}), EmotionSpec({b: 1.0}), STRIP)
        lines.append([_sized(next(step.frames)) for step in steps])
    return pictures.contact_sheet(lines or [[np.zeros((128, 128, 3), np.uint8)]])


def _draw_motion(run: Run, made: Any, row: Row, path: Path) -> None:
    """Pitch, yaw and roll of a clip: the truth and two seeds."""
    from matplotlib.figure import Figure

    section = run.params.datasets[run.layout.dataset]
    truth = tracks.read(coefficients.learned_from(run, section), row.speaker, row.clip_id)["rho"]
    sound = read_audio(run.layout.crops / row.video_path)[: len(truth) * systems.SAMPLES_PER_FRAME]
    emotion = EmotionSpec({row.emotion: 1.0} if row.emotion else {})
    curves = {"truth": truth}
    for seed in (0, 1):
        found = made.generate(GenRequest(row.clip_id, sound, emotion, row.speaker, seed)).motion
        if found is not None:
            curves[f"seed {seed}"] = found
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True)
    for axis, label, column in zip(axes, ("pitch", "yaw", "roll"), range(3), strict=True):
        for name, rho in curves.items():
            axis.plot(np.arange(len(rho)) / 25, np.degrees(rho[:, column]), label=name, lw=1)
        axis.set_ylabel(f"{label} [deg]", fontsize=8)
    axes[0].legend(fontsize=7, ncols=3)
    axes[-1].set_xlabel("time [s]", fontsize=8)
    figure.savefig(path, dpi=110)


def _latents(run: Run, made: Any) -> latents.Latents:
    """Posterior means of all clips, held-out ones too."""
    section = run.params.datasets[run.layout.dataset]
    folder = coefficients.learned_from(run, section)
    values, rows = [], []
    for row in evaluate.all_rows(run):
        beta = tracks.read(folder, row.speaker, row.clip_id)["beta"]
        sound = read_shard(run.layout.audio, row.speaker, row.clip_id, ["features"])["features"]
        values.append(made.posterior(beta, to_video_rate(sound, len(beta), run.params.audio.pair)))
        rows.append(row)
    names = [np.array([getattr(row, key) for row in rows]) for key in ("emotion", "speaker")]
    return latents.Latents(np.stack(values).astype(np.float64), *names)


def _draw_losses(folder: Path, path: Path) -> None:
    from matplotlib.figure import Figure

    files = sorted(folder.glob("*.tsv"))
    figure = Figure(figsize=(3.2 * max(1, len(files)), 2.6), layout="constrained")
    for axis, file in zip(np.atleast_1d(figure.subplots(1, max(1, len(files)))), files, strict=False):
        table = pd.read_csv(file, sep="\t").set_index("step")
        for name in table.columns:
            axis.plot(table.index, table[name], label=name, lw=1)
        axis.set_yscale("symlog", linthresh=0.01)
        axis.set_title(file.stem, fontsize=8)
        axis.legend(fontsize=6)
    figure.savefig(path, dpi=110)


def _sized(image: NDArray[np.uint8], side: int = 128) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (side, side), interpolation=cv2.INTER_AREA), np.uint8)
