"""Figures of what a trained system does: frames beside the truth, steps between emotions, motion, latents, losses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmbench.audio.hubert import to_video_rate
from gmbench.datasets.manifest import ClipRow
from gmbench.evaluation.results import records
from gmbench.media import SAMPLES_PER_FRAME, Video, read_audio
from gmbench.methods import capabilities, registry
from gmbench.methods.gmtalker.expected_orderings import PAIRS
from gmbench.methods.interface import EmotionSpec, GenRequest
from gmbench.methods.registry import System
from gmbench.morphable import coefficient_io
from gmbench.reporting import figures, latents
from gmbench.reporting.page.markup import grid_html, picture_html
from gmbench.reporting.table_formats import number
from gmbench.shards import read as read_shard
from gmbench.stages.evaluation_plan import all_rows, scored_rows
from gmbench.stages.fit import training_coefficients
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.train import model_folder

COLUMNS, STRIP = 6, 9
"""Time stamps of a row of frames; pictures shown of a sequence between two emotions."""
GRID_METRIC = "psnr"


def system_figures(run: PipelineRun, name: str, folder: Path) -> str:
    """Figures of a trained system in a folder ``figures`` below the page's, and the HTML that shows them."""
    system = System.parse(name)
    shown = [n for n in run.params.methods if n.split("-")[0] == system.method or n in ("render", "refit")]
    rows = scored_rows(run)
    stem = folder / "figures" / f"{run.paths.dataset}-{system.name}"
    made = registry.create(system.method)
    made.load(model_folder(run.paths.dataset, system))
    parts = []

    def show(file: str, caption: str) -> None:
        parts.append(picture_html(f"figures/{file}", caption))

    for kind, row in _extremes(run, shown, rows).items():
        drawn = _grid(run, row, shown, stem.with_name(f"{stem.name}-{kind}"))
        show(drawn, f"Clip with the {kind} {GRID_METRIC} of {_ranking_system(shown)}: {row.clip_id}")
    show(_strips(run, made, rows, stem.with_name(f"{stem.name}-between")), "Between emotions: same instant and noise")
    show(_angles(run, made, rows[0], stem.with_name(f"{stem.name}-motion")), f"Head motion of {rows[0].clip_id}")
    space = _latents(run, made)
    latents.draw_map(space, stem.with_name(f"{stem.name}-latents"))
    latents.write_latents(space, stem.with_name(f"{stem.name}-latents.npz"))
    numbers = {r["measure"]: r["value"] for r in latents.latent_rows(space) if not r["emotion"]}
    told = ", ".join(f"{measure} {number(value)}" for measure, value in numbers.items())
    show(f"{stem.name}-latents.png", f"Expression latents of all clips, held-out too: {told} (of the space itself)")
    logs = {path.stem: path for path in sorted((model_folder(run.paths.dataset, system) / "losses").glob("*.tsv"))}
    tables = {part: pd.read_csv(path, sep="\t").set_index("step") for part, path in logs.items()}
    show(figures.losses(tables, stem.with_name(f"{stem.name}-losses")), "Losses in training")
    return "".join(parts) + _capabilities(run, made, rows[0])


def _capabilities(run: PipelineRun, made: Any, row: ClipRow) -> str:
    """What the card says beside what was measured."""
    others = [name for name in getattr(made, "emotions", ()) if name and name != row.emotion]
    if not others:
        return ""
    sound = read_audio(run.paths.crops / row.video_path)[: 25 * SAMPLES_PER_FRAME]
    request = GenRequest(row.clip_id, sound, EmotionSpec({row.emotion: 1.0}), row.speaker)
    found = capabilities.check(made, request, EmotionSpec({others[0]: 1.0}))
    lines = [[f.what, f.said, f.measured, "yes" if f.holds else "NO"] for f in found]
    return "<h3>Capabilities</h3>" + grid_html(["change", "card", "measured", "holds"], lines)


def _ranking_system(shown: Sequence[str]) -> str:
    """The system whose score picks the clips: with the reference's motion, if it was run."""
    own = [n for n in shown if n not in ("render", "refit")]
    return next((n for n in own if "pose" in n.split("-")), own[0])


def _extremes(run: PipelineRun, shown: Sequence[str], rows: list[ClipRow]) -> dict[str, ClipRow]:
    table = records.read(run.paths.scores / records.FILE)
    own = table[(table["metric"] == GRID_METRIC) & (table["method"] == _ranking_system(shown))].dropna(subset=["value"])
    by_clip = {row.video_path.removesuffix(".mp4"): row for row in rows}
    if own.empty:
        return {"first": rows[0]}
    ordered = [str(clip) for clip in own.sort_values("value")["clip"]]
    return {"best": by_clip[ordered[-1]], "worst": by_clip[ordered[0]]}


def _grid(run: PipelineRun, row: ClipRow, shown: Sequence[str], stem: Path) -> str:
    """Frames at the same time stamps: the truth, then each system."""
    paths = {"ground truth": run.paths.crops / row.video_path}
    paths |= {name: run.paths.videos(name) / row.video_path for name in shown}
    lines, stamps = {}, np.linspace(0, row.n_frames - 1, COLUMNS + 2).round().astype(int)[1:-1]
    for name, path in paths.items():
        if path.exists():
            frames = list(Video(path))
            lines[name] = [_sized(frames[min(t, len(frames) - 1)]) for t in stamps]
    return figures.grid(lines, [f"{t / 25:.2f} s" for t in stamps], stem)


def _strips(run: PipelineRun, made: Any, rows: list[ClipRow], stem: Path) -> str:
    lines: dict[str, list[NDArray[np.uint8]]] = {}
    for place, (a, b) in enumerate(PAIRS):
        row = rows[place % len(rows)]
        if not {a, b} <= set(getattr(made, "emotions", ())):
            continue
        sound = read_audio(run.paths.crops / row.video_path)[: 25 * SAMPLES_PER_FRAME]
        request = GenRequest(row.clip_id, sound, EmotionSpec({a: 1.0}), row.speaker, run.params.seed + place)
        steps = made.interpolate(request, EmotionSpec({a: 1.0}), EmotionSpec({b: 1.0}), STRIP)
        lines[f"{a} to {b}"] = [_sized(next(step.frames)) for step in steps]
    shares = [f"{share:.3g}" for share in np.linspace(0, 1, STRIP)]
    return figures.grid(lines or {"one emotion": [np.zeros((128, 128, 3), np.uint8)]}, shares, stem, 0.9)


def _angles(run: PipelineRun, made: Any, row: ClipRow, stem: Path) -> str:
    """Pitch, yaw and roll of a clip: the truth and two seeds."""
    section = run.params.datasets[run.paths.dataset]
    truth = coefficient_io.read(training_coefficients(run, section), row.speaker, row.clip_id)["rho"]
    sound = read_audio(run.paths.crops / row.video_path)[: len(truth) * SAMPLES_PER_FRAME]
    emotion = EmotionSpec({row.emotion: 1.0} if row.emotion else {})
    curves = {"truth": np.degrees(truth[:, :3])}
    for seed in (0, 1):
        found = made.generate(GenRequest(row.clip_id, sound, emotion, row.speaker, seed)).motion
        if found is not None:
            curves[f"seed {seed}"] = np.degrees(found[:, :3])
    return figures.angles(curves, stem)


def _latents(run: PipelineRun, made: Any) -> latents.Latents:
    """Posterior means of all clips, held-out ones too."""
    section = run.params.datasets[run.paths.dataset]
    folder = training_coefficients(run, section)
    values, rows = [], []
    for row in all_rows(run):
        beta = coefficient_io.read(folder, row.speaker, row.clip_id)["beta"]
        sound = read_shard(run.paths.audio, row.speaker, row.clip_id, ["features"])["features"]
        values.append(made.posterior(beta, to_video_rate(sound, len(beta), run.params.audio.pair)))
        rows.append(row)
    names = [np.array([getattr(row, key) for row in rows]) for key in ("emotion", "speaker")]
    return latents.Latents(np.stack(values).astype(np.float64), *names)


def _sized(image: NDArray[np.uint8], side: int = 128) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (side, side), interpolation=cv2.INTER_AREA), np.uint8)
