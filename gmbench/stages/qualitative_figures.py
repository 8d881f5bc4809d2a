"""Figures of what a trained system does: frames beside the truth, steps between emotions, motion, latents, losses."""

import html
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.evaluation.results import records
from gmbench.media import Video
from gmbench.methods import registry, render
from gmbench.methods.interface import (
    EmbedsEmotion,
    EmotionSpec,
    Interpolates,
    TalkingHeadMethod,
)
from gmbench.methods.registry import System
from gmbench.morphable import coefficient_io
from gmbench.reporting import figures, latents
from gmbench.reporting.images import thumbnail
from gmbench.reporting.page.markup import grid_html, picture_html
from gmbench.reporting.table_formats import number
from gmbench.stages.capability_checks import check_capabilities
from gmbench.stages.clip_embeddings import emotion_spaces, expression_space
from gmbench.stages.fit import training_coefficients
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.requests import RequestPlanner, build_request
from gmbench.stages.scored_clips import scored_rows
from gmbench.stages.train import LOSSES, checkpoint_folder

COLUMNS, STRIP, STRIP_FRAMES = 6, 9, 16
"""Time stamps of a row of frames; pictures shown of a sequence between two emotions, and the length of its sound."""
GRID_METRIC = "psnr"


def system_figures(run: PipelineRun, name: str, folder: Path) -> str:
    """Figures of a trained system in a folder ``figures`` below the page's, and the HTML that shows them.

    Shows what the method has: strips only where it interpolates, a map only where it has latents or embeds emotions.
    """
    system = System.parse(name)
    models_dataset = run.params.datasets[run.paths.dataset].models_of
    card = registry.read_card(system.method)
    if models_dataset and card.identity_mode == "person_specific":
        return f"<p>n/a: {html.escape(card.title)} shows only the people of {html.escape(models_dataset)}.</p>"
    methods = [n for n in run.params.methods if n in render.NAMES or _is_of(n, system.method)]
    rows = scored_rows(run)
    stem = folder / "figures" / f"{run.paths.dataset}-{system.name}"
    method = registry.load(system.method, checkpoint_folder(run, system))
    parts = []

    def show(file: str, caption: str) -> None:
        parts.append(picture_html(f"figures/{file}", caption))

    ranking = _ranking_system(methods)
    for kind, row in _extremes(run, ranking, rows).items():
        picture = _grid(run, row, methods, stem.with_name(f"{stem.name}-{kind}"))
        show(picture, f"Clip with the {kind} {GRID_METRIC} of {ranking}: {row.clip_id}" if ranking else row.clip_id)
    if strips := _strips(run, method, rows, stem.with_name(f"{stem.name}-between")):
        show(strips, "Between emotions: same instant and noise")
    if angles := _angles(run, method, rows[0], stem.with_name(f"{stem.name}-motion")):
        show(angles, f"Head motion of {rows[0].clip_id}")
    for kind, space in _spaces(run, method).items():
        file = stem.with_name(f"{stem.name}-{kind.replace(' ', '-')}")
        latents.draw_map(space, file)
        latents.write_latents(space, file.with_name(f"{file.name}.npz"))
        show(
            f"{file.name}.png", f"{kind.capitalize()} of all clips, held-out too: {_order(space)} (of the space itself)"
        )
    if curves := _losses(checkpoint_folder(run, system) / LOSSES, stem.with_name(f"{stem.name}-losses")):
        show(curves, "Losses in training")
    return "".join(parts) + _capabilities(run, method, rows[0])


def _is_of(name: str, method: str) -> bool:
    """Whether a run's name is a variant of a method."""
    try:
        return System.parse(name).method == method
    except InputError:
        return False


def _spaces(run: PipelineRun, method: TalkingHeadMethod) -> dict[str, latents.Latents]:
    """Embeddings of emotions by what is read of a clip, else of expressions."""
    if isinstance(method, EmbedsEmotion):
        return {f"emotions by {modality}": space for modality, space in emotion_spaces(run, method).items()}
    space = expression_space(run, method)
    return {} if space is None else {"latents": space}


def _order(space: latents.Latents) -> str:
    numbers = {row["measure"]: row["value"] for row in latents.latent_rows(space) if not row["emotion"]}
    return ", ".join(f"{measure} {number(value)}" for measure, value in numbers.items())


def _losses(folder: Path, stem: Path) -> str:
    logs = {path.stem: pd.read_csv(path, sep="\t").set_index("step") for path in sorted(folder.glob("*.tsv"))}
    logs = {part: table for part, table in logs.items() if len(table)}
    return figures.losses(logs, stem) if logs else ""


def _capabilities(run: PipelineRun, method: TalkingHeadMethod, row: ClipRow) -> str:
    """What the card says beside what was measured."""
    holds = {True: "yes", False: "NO", None: "–"}
    checks = check_capabilities(run, method, row)
    lines = [[c.change, c.card, c.measured, holds[c.holds]] for c in checks]
    return "<h3>Capabilities</h3>" + grid_html(["change", "card", "measured", "holds"], lines)


def _ranking_system(methods: Sequence[str]) -> str:
    """The system whose score picks the clips: with the reference's motion, if it was run; empty without one."""
    systems = [name for name in methods if name not in render.NAMES]
    return next((name for name in systems if "pose" in System.parse(name).drives), systems[0] if systems else "")


def _extremes(run: PipelineRun, ranking: str, rows: list[ClipRow]) -> dict[str, ClipRow]:
    table = records.read(run.paths.scores / records.FILE)
    scored = table[(table["metric"] == GRID_METRIC) & (table["method"] == ranking)].dropna(subset=["value"])
    by_clip = {row.video_path.removesuffix(".mp4"): row for row in rows}
    if scored.empty:
        return {"first": rows[0]}
    ordered = [str(clip) for clip in scored.sort_values("value")["clip"]]
    return {"best": by_clip[ordered[-1]], "worst": by_clip[ordered[0]]}


def _grid(run: PipelineRun, row: ClipRow, methods: Sequence[str], stem: Path) -> str:
    """Frames at the same time stamps: the truth, then each system."""
    paths = {"ground truth": run.paths.crops / row.video_path}
    paths |= {name: run.paths.videos(name) / row.video_path for name in methods}
    lines, stamps = {}, np.linspace(0, row.n_frames - 1, COLUMNS + 2).round().astype(int)[1:-1]
    for name, path in paths.items():
        if path.exists():
            frames = list(Video(path))
            lines[name] = [thumbnail(frames[min(t, len(frames) - 1)]) for t in stamps]
    return figures.grid(lines, [f"{t / 25:.2f} s" for t in stamps], stem)


def _strips(run: PipelineRun, method: TalkingHeadMethod, rows: list[ClipRow], stem: Path) -> str:
    """Steps between the card's pairs of emotions that the method has learnt; empty where it does not interpolate."""
    card = method.card
    if not isinstance(method, Interpolates) or not card.interpolations:
        return ""
    planner = RequestPlanner(run, card)
    lines: dict[str, list[NDArray[np.uint8]]] = {}
    for place, (a, b) in enumerate(card.emotion_pairs):
        if not {a, b} <= set(method.emotions):
            continue
        request = build_request(
            card, planner.inputs(rows[place % len(rows)], ()), run.params.seed + place, STRIP_FRAMES
        )
        first, last = EmotionSpec({a: 1.0}), EmotionSpec({b: 1.0})
        request = replace(request, emotion=first)
        steps = method.interpolate(request, first, last, STRIP, card.interpolations[0].name)
        lines[f"{a} to {b}"] = [thumbnail(next(iter(step.frames))) for step in steps]
    shares = [f"{share:.3g}" for share in np.linspace(0, 1, STRIP)]
    return figures.grid(lines or {"one emotion": [np.zeros((128, 128, 3), np.uint8)]}, shares, stem, 0.9)


def _angles(run: PipelineRun, method: TalkingHeadMethod, row: ClipRow, stem: Path) -> str:
    """Pitch, yaw and roll of a clip: the truth and two seeds; empty where the method gives no motion."""
    section = run.params.datasets[run.paths.dataset]
    truth = coefficient_io.read(training_coefficients(run, section), row.speaker, row.clip_id)["rho"]
    inputs = RequestPlanner(run, method.card).inputs(row, ())
    curves = {"truth": np.degrees(truth[:, :3])}
    for seed in (0, 1):
        motion = method.generate(build_request(method.card, inputs, seed, len(truth))).motion
        if motion is not None:
            curves[f"seed {seed}"] = np.degrees(motion[:, :3])
    return figures.angles(curves, stem) if len(curves) > 1 else ""
