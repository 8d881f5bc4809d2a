"""The report: one page with tables, pictures of the data and of the fits, and curves for ``dvc plots``."""

import contextlib
import html
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gmbench import executor, shards
from gmbench.datasets import manifest
from gmbench.devices import using
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError, StoreError
from gmbench.evaluation import validate
from gmbench.evaluation.results import merging, records, references, result_folder
from gmbench.executor import one_thread
from gmbench.methods import registry
from gmbench.methods.registry import System
from gmbench.morphable import coefficient_io
from gmbench.morphable.landmarks_478 import SPARSE
from gmbench.morphable.render import Renderer
from gmbench.provenance import describe
from gmbench.reporting import figures, images, table_formats, tables, validation_curves
from gmbench.reporting.images import thumbnail
from gmbench.reporting.page import PageContent, Section, page_folder, write
from gmbench.reporting.page.markup import facts_html, grid_html, picture_html
from gmbench.reporting.page.sections import left_out, pairs, papers
from gmbench.reporting.page.write import read_sources
from gmbench.reporting.summary import Summary
from gmbench.stages import ablations, verdicts
from gmbench.stages.costs import (
    frame_rates,
    quality_against_cost,
    run_cards,
    terms_html,
    training_costs,
    training_seconds,
)
from gmbench.stages.head_motion_figures import head_motion_html
from gmbench.stages.paths import EXTRACTORS, REPORTS, DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.qualitative_figures import system_figures
from gmbench.stages.what_can_be_said import what_can_be_said
from gmbench.store import write_atomically

SHEET_SPEAKERS, OVERLAYS = 5, 6


def report(
    run: PipelineRun,
    out: Path = REPORTS,
    clips: str = "link",
    added: Sequence[merging.NamedRecords] = (),
    force: bool = True,
    stores: Sequence[Path] = (),
) -> None:
    """Write ``reports/index.html``, the page, with figures and tables beside it.

    Args:
        run: whose results are shown.
        out: folder of the page.
        clips: how clips come into it, see :data:`gmbench.reporting.page.CLIPS`.
        added: records of evaluations outside of the pipeline, which join the leaderboard.
        force: write into a folder that holds something else.
        stores: of ``added``, for the landmarks of their clips.

    Raises:
        InputError: nothing is evaluated, or the folder holds something else, and not ``force``.
    """
    page_folder.claim(out, force)
    with _system_figures(run, out) as drawn:
        _report(run, out, clips, added, force, stores, drawn)


def _report(
    run: PipelineRun, out: Path, clips: str, added: Sequence[merging.NamedRecords], force: bool, stores: Sequence[Path],
    drawn: Callable[[], dict[tuple[str, str], str]],
) -> None:  # fmt: skip
    """The page; ``drawn`` waits for the figures of systems, which are drawn meanwhile."""
    merged, sections, folders = None, [], []
    of_systems = {
        f"{system} on {name}": (name, system) for name in run.params.evaluate for system in run.params.trained
    }
    for name in run.params.evaluate:
        dataset_run = replace(run, paths=DatasetPaths(name))
        table = result_folder.only(records.read(dataset_run.paths.scores / records.FILE), dataset=name)
        merged = merging.merge(merged, table)
        folders.append(dataset_run.paths.scores)
        grid = tables.build(table)
        grid = replace(grid, notes=(*grid.notes, *result_folder.warnings(dataset_run.paths.scores)))
        write_atomically(out / f"table-{name}.md", table_formats.render(grid, "md").encode())
        if said := what_can_be_said(table, run.params.datasets[name]):
            sections.append(Section(f"What the numbers of {name} can say", said))
        sections += [Section(title, "") for title, (dataset, _) in of_systems.items() if dataset == name]
        if heads := head_motion_html(dataset_run, run.params.methods, out):
            sections.append(Section(f"Heads of {name}", heads))
    if merged is None:
        raise InputError("params.yaml: evaluate names no dataset; there is nothing to report")
    values = [merged[["dataset", "method", "clip", "metric", "value"]]]
    sources = [*added, *merging.read_named(folders)]
    merged = merging.merge(merging.joined(added), merged)
    folders = [part.folder for part in sources]
    if claims := _claims(run):
        sections.append(Section("Claims of the papers", claims))
    places = {name: place for place, name in enumerate(run.params.evaluate)}
    summaries = sorted(Summary.per_protocol(merged), key=lambda summary: places.get(summary.dataset, len(places)))
    with_ablations = _with_ablations(merged)
    all_summaries = summaries if with_ablations is merged else Summary.per_protocol(with_ablations)
    for summary in summaries:
        name = summary.dataset
        shown = terms_html(run, name)
        shown += quality_against_cost(summary, training_seconds(run, name), frame_rates(run, name), out)
        if shown:
            sections.append(Section(f"Terms and cost on {name}", shown))
    sections += [*left_out(folders), pairs(summaries), papers(all_summaries, out, run_cards(run))]
    sections += [
        Section(f"{name}: clips and fits", _dataset(run, DatasetPaths(name), out)) for name in run.params.datasets
    ]
    if networks := _corpus_extractors(out):
        sections.append(Section("Networks trained on the corpus", networks))
    facts = {"page": describe({"profile": run.params.profile})}
    facts |= {str(folder): found for folder in folders if (found := result_folder.provenance(folder))}
    figures_of = drawn()
    sections = [replace(s, body=figures_of[of_systems[s.title]]) if s.title in of_systems else s for s in sections]
    page = PageContent(
        f"gmbench: profile {run.params.profile}", summaries, read_sources(sources), sections, facts,
        {name: training_costs(run, name) for name in run.params.evaluate},
        {name: _levels(DatasetPaths(name)) for name in run.params.evaluate}, [run.store.root, *stores],
    )  # fmt: skip
    write(page, out, clips, force)
    _plots(values, run, out)


@contextlib.contextmanager
def _system_figures(run: PipelineRun, out: Path) -> Iterator[Callable[[], dict[tuple[str, str], str]]]:
    """Figures by dataset and trained system, drawn side by side while the caller goes on: what waits for them."""
    names = [(name, system) for name in run.params.evaluate for system in run.params.trained]
    tasks = [(replace(run, paths=DatasetPaths(name)), system, out) for name, system in names]
    if (workers := min(run.workers, len(tasks))) <= 1:
        found = _collected(names, executor.run(_draw_system, tasks))
        yield lambda: found
        return
    with executor.pool(1) as threads, executor.cluster(workers) as address:
        yield threads.submit(lambda: _collected(names, executor.run(_draw_system, tasks, scheduler=address))).result


def _collected(
    names: Sequence[tuple[str, str]], results: Iterator[tuple[int, str | Exception]]
) -> dict[tuple[str, str], str]:
    found = {}
    for number, text in results:
        if isinstance(text, Exception):
            raise StoreError(f"report: the figures of {names[number][1]} on {names[number][0]} stopped: {text}")
        found[names[number]] = text
    return found


def _draw_system(task: tuple[PipelineRun, str, Path]) -> str:
    run, system, out = task
    with one_thread(), using(run.device):
        return system_figures(run, system, out)


def _levels(paths: DatasetPaths) -> dict[str, int]:
    """Intensity of the emotion, by the names that clips have in records; of those that have one."""
    return {row.video_path.removesuffix(".mp4"): row.level for row in manifest.read(paths.cropped) if row.level}


def _with_ablations(found: pd.DataFrame) -> pd.DataFrame:
    """Records of the ablations, if they were run, under those of the run."""
    for path in sorted(ablations.OUT.glob("*/records-*.parquet")):
        found = merging.merge(references.named_apart(found, records.read(path)), found)
    return found


def _claims(run: PipelineRun) -> str:
    """Verdicts on the expected orderings of all methods, those too of trained ones whose ablations were not run."""
    found = verdicts.read_verdicts(ablations.OUT)
    missing = [system.method for system in map(System.parse, run.params.trained)]
    missing = [
        name for name in dict.fromkeys(missing)
        if name not in {verdict.method for verdict in found} and registry.read_card(name).expected_orderings
    ]  # fmt: skip
    if not found:
        commands = ", ".join(f"<code>{html.escape(_ablate(name))}</code>" for name in missing)
        return f"<p>Not measured here, since that takes trainings at several seeds: {commands}.</p>" if missing else ""
    for name in missing:
        for ordering in registry.read_card(name).expected_orderings:
            found += verdicts.without_value(ordering, f"not run: {_ablate(name)}", name)
    notes = "".join(f"<li>{html.escape(reason)}</li>" for reason in verdicts.reasons(found))
    return (
        f"<p>{verdicts.summary(found)} Resolved: the interval lies above zero; reversed: below; not resolved: it holds"
        " zero, or one seed has none.</p>"
        + grid_html(list(verdicts.HEAD), verdicts.rows(found))
        + (f"<ol>{notes}</ol>" if notes else "")
    )


def _ablate(method: str) -> str:
    return f"gmbench ablate --method {method} --seeds 3"


def _corpus_extractors(out: Path) -> str:
    """Recipe, data, score on strangers and confusion of the corpus-trained networks, and how the metrics respond."""
    reports = sorted(p for p in EXTRACTORS.glob("*.json") if p.with_suffix(".safetensors").exists())
    if not reports:
        return ""
    parts = ["<p>They know synthetic faces only. Scores are on people whom no network met in training.</p>"]
    for path in reports:
        facts = json.loads(path.read_text("utf-8"))
        held_out = dict(facts.get("held_out", {}))
        confusion, order = held_out.pop("confusion", None), held_out.pop("order", [])
        data = facts.get("data", "")
        shown = {
            "held_out": held_out, "recipe": facts.get("recipe", {}), "failed": facts.get("failed", []),
            "data": data if isinstance(data, str) else f"{len(data)} clips, {data[0]} to {data[-1]}",
            "against_shipped": facts.get("against_shipped", "comes with gmbench"),
        }  # fmt: skip
        parts.append(f"<h3>{html.escape(path.stem)}</h3>{facts_html(shown)}")
        if confusion:
            stem = out / "figures" / f"confusion-{path.stem}"
            title = f"{path.stem} on people it has not met"
            parts.append(picture_html(f"figures/{figures.confusion(np.array(confusion), order, title, stem)}", title))
    found = EXTRACTORS / "validation.json"
    if found.exists():
        read = [validate.Curve.from_json(row) for row in json.loads(found.read_text("utf-8"))["curves"]]
        validation_curves.draw(read, out / "figures" / "validation.png")
        write_atomically(out / "validation.md", validation_curves.markdown(read).encode())
        verdicts = "".join(f"<li>{html.escape(curve.verdict)}</li>" for curve in read if curve.verdict)
        names = list(dict.fromkeys(curve.corruption for curve in read))
        cells = {(curve.metric, curve.corruption): curve.rho for curve in read}
        lines = [
            [metric, *(_rho(cells.get((metric, name))) for name in names)]
            for metric in dict.fromkeys(curve.metric for curve in read)
        ]
        parts.append(
            "<h3>How metrics respond to corruption</h3><p>Spearman's rho of degree and deterioration, 1 is right.</p>"
            f"{grid_html(['metric', *names], lines)}<ul>{verdicts}</ul>"
            + picture_html("figures/validation.png", "Response of each metric to graded corruption")
        )
    return "".join(parts)


def _rho(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.2f}"


def _dataset(run: PipelineRun, paths: DatasetPaths, out: Path) -> str:
    fit = json.loads((paths.work / "fit.json").read_text("utf-8"))
    rows = manifest.read(paths.cropped)
    sheet, overlays = (f"figures/{paths.dataset}-{what}.png" for what in ("sheet", "fit"))
    images.save(out / sheet, _sheet(paths, rows))
    images.save(out / overlays, _overlays(run, paths, rows))
    share = fit["percent_iod"]
    return (
        f"<p>{len(rows)} clips. The fit's landmarks are off by {share['mean']} % of the distance between the outer eye "
        f"corners on average, {share['worst']} % in the worst clip.</p>"
        + picture_html(sheet, "A middle frame of each speaker in each emotion")
        + picture_html(overlays, "Found landmarks (yellow), fitted ones (blue), and the fit drawn")
    )


def _sheet(paths: DatasetPaths, rows: list[manifest.ClipRow]) -> Any:
    """A middle frame of each speaker in each emotion; of each clip where there are no emotions."""
    speakers = sorted({row.speaker for row in rows})[:SHEET_SPEAKERS]
    emotions = [emotion for emotion in SUITE_ORDER if any(row.emotion == emotion for row in rows)]
    if len(emotions) < 2:
        shown = [thumbnail(images.frame_of(paths.crops / row.video_path, row.n_frames // 2)) for row in rows[:8]]
        return images.contact_sheet([shown])
    lines = []
    for speaker in speakers:
        line = []
        for emotion in emotions:
            takes = [row for row in rows if (row.speaker, row.emotion) == (speaker, emotion)]
            blank = np.zeros((128, 128, 3), np.uint8)
            row = max(takes, key=lambda r: (r.level, r.clip_id), default=None)
            line.append(
                blank if row is None else thumbnail(images.frame_of(paths.crops / row.video_path, row.n_frames // 2))
            )
        lines.append(line)
    return images.contact_sheet(lines, emotions)


def _overlays(run: PipelineRun, paths: DatasetPaths, rows: list[manifest.ClipRow]) -> Any:
    model = run.face_model().load()
    lines = []
    chosen: list[manifest.ClipRow] = []
    for row in rows:
        if row.speaker not in {other.speaker for other in chosen}:
            chosen.append(row)
    for row in chosen[:OVERLAYS]:
        t = row.n_frames // 3
        frame = images.frame_of(paths.crops / row.video_path, t)
        person = coefficient_io.read_speaker(paths.coefficients, row.speaker)
        track = coefficient_io.read(paths.coefficients, row.speaker, row.clip_id)
        found = shards.read(paths.landmarks, row.speaker, row.clip_id, ["mesh"])["mesh"][t]
        full = model.join(track["beta"][t : t + 1], track["rho"][t : t + 1, 10:12])
        fitted = model.landmark_points(person["shape"], full, track["rho"][t : t + 1], frame.shape[0])[0]
        renderer = Renderer(model, person["shape"], person["texture"], frame.shape[0])
        drawn = next(renderer.frames(full, track["rho"][t : t + 1]))
        lines.append([
            thumbnail(frame, 256), thumbnail(images.with_points(frame, found[SPARSE], (255, 220, 0)), 256),
            thumbnail(images.with_points(frame, fitted[SPARSE], (60, 140, 255)), 256), thumbnail(drawn, 256),
        ])  # fmt: skip
    return images.contact_sheet(lines)


def _plots(values: list[pd.DataFrame], run: PipelineRun, out: Path) -> None:
    """Charts that ``dvc plots show`` draws: every metric's means by method, and the fit's error a clip."""
    folder = out / "plots"
    folder.mkdir(parents=True, exist_ok=True)
    every = pd.concat(values)
    if every["dataset"].nunique() > 1:
        names = zip(every["dataset"], every["method"], strict=True)
        every = every.assign(method=[f"{dataset}: {method}" for dataset, method in names])
    means = every.groupby(["dataset", "method", "metric"], as_index=False)["value"].mean()
    means.to_csv(folder / "metrics.csv", index=False, float_format="%.6g")
    errors = []
    for name in run.params.datasets:
        fit = json.loads((DatasetPaths(name).work / "fit.json").read_text("utf-8"))
        errors += [{"dataset": name, "clip": row["clip"], "percent_iod": row["percent_iod"]} for row in fit["per_clip"]]
    pd.DataFrame(errors).to_csv(folder / "fit_error.csv", index=False)
