"""The report: one page with tables, pictures of the data and of the fits, and curves for ``dvc plots``."""

import html
import json
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pandas as pd

from gmbench import shards
from gmbench.corpus.lexicon import EMOTIONS
from gmbench.datasets import manifest
from gmbench.evaluation import records, results, validate
from gmbench.morphable import tracks
from gmbench.morphable.landmark_sets import SPARSE
from gmbench.morphable.render import Renderer
from gmbench.provenance import describe
from gmbench.reporting import curves, pictures, tables
from gmbench.reporting.published_tables import findings_html
from gmbench.stages.layout import EVALUATORS, REPORTS, Layout
from gmbench.stages.run import Run
from gmbench.stages.showcase import showcase
from gmbench.store import write_atomically

SHEET_SPEAKERS, OVERLAYS = 5, 6
_STYLE = (
    "body{font-family:sans-serif;max-width:70em;margin:2em auto;padding:0 1em}table{border-collapse:collapse}"
    "td,th{padding:.3em .6em;border-bottom:1px solid #ccc}img{max-width:100%}"
)


def report(run: Run) -> None:
    """Write ``reports/index.html`` with everything that it shows beside it."""
    parts = [f"<h1>gmbench: profile {html.escape(run.params.profile)}</h1>"]
    REPORTS.mkdir(parents=True, exist_ok=True)
    values = []
    for name in run.params.evaluate:
        layout = Layout(name)
        table = results.only(records.read(layout.scores / records.FILE), dataset=name)
        values.append(table[["dataset", "method", "clip", "metric", "value"]])
        write_atomically(REPORTS / f"table-{name}.md", tables.render(tables.build(table), "md").encode())
        parts += [f"<h2>{html.escape(name)}</h2>", tables.render(tables.build(table), "html")]
        for system in run.params.trained:
            parts += showcase(replace(run, layout=layout), system)
    for name in run.params.datasets:
        parts += _dataset(run, Layout(name))
    parts += _judges()
    parts.append("<h2>What is wrong in the published tables</h2>" + findings_html())
    parts.append("<h2>Provenance</h2>" + _facts(describe({"profile": run.params.profile})))
    page = f"<!doctype html><meta charset=utf-8><title>gmbench</title><style>{_STYLE}</style>" + "\n".join(parts)
    write_atomically(REPORTS / "index.html", page.encode())
    _plots(values, run)


def _judges() -> list[str]:
    """Recipe, data, score on strangers and confusion of the corpus-trained networks, and how the metrics respond."""
    reports = sorted(path for path in EVALUATORS.glob("*.json") if path.stem != "validation")
    if not reports:
        return []
    parts = [
        "<h2>Networks trained on the corpus</h2><p>They judge synthetic faces only. Scores are on people whom no "
        "network met in training.</p>"
    ]
    for path in reports:
        facts = json.loads(path.read_text("utf-8"))
        held_out = dict(facts.get("held_out", {}))
        confusion, order = held_out.pop("confusion", None), held_out.pop("order", [])
        data = facts.get("data", "")
        shown = {
            "held_out": held_out, "recipe": facts.get("recipe", {}), "failed": facts.get("failed", []),
            "data": data if isinstance(data, str) else f"{len(data)} clips, {data[0]} to {data[-1]}",
        }  # fmt: skip
        parts.append(f"<h3>{html.escape(path.stem)}</h3>{_facts(shown)}")
        if confusion:
            parts.append(
                _grid(["target \\ seen", *order], [[o, *row] for o, row in zip(order, confusion, strict=True)])
            )
    found = EVALUATORS / "validation.json"
    if found.exists():
        read = [validate.Curve.from_json(row) for row in json.loads(found.read_text("utf-8"))["curves"]]
        curves.draw(read, REPORTS / "validation.png")
        write_atomically(REPORTS / "validation.md", curves.markdown(read).encode())
        verdicts = "".join(f"<li>{html.escape(curve.verdict)}</li>" for curve in read if curve.verdict)
        names = list(dict.fromkeys(curve.corruption for curve in read))
        cells = {(curve.metric, curve.corruption): curve.rho for curve in read}
        lines = [
            [metric, *(_rho(cells.get((metric, name))) for name in names)]
            for metric in dict.fromkeys(curve.metric for curve in read)
        ]
        parts.append(
            "<h3>How metrics respond to corruption</h3><p>Spearman's rho of degree and deterioration, 1 is right.</p>"
            f"{_grid(['metric', *names], lines)}<ul>{verdicts}</ul>"
            '<p><img src="validation.png" alt="curves"></p>'
        )
    return parts


def _rho(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.2f}"


def _grid(header: list[str], rows: list[list[Any]]) -> str:
    head = "".join(f"<th>{html.escape(str(h))}</th>" for h in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(v))}</td>" for v in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _dataset(run: Run, layout: Layout) -> list[str]:
    fit = json.loads((layout.work / "fit.json").read_text("utf-8"))
    rows = manifest.read(layout.cropped)
    sheet, overlays = REPORTS / f"{layout.dataset}-sheet.png", REPORTS / f"{layout.dataset}-fit.png"
    pictures.save(sheet, _sheet(layout, rows))
    pictures.save(overlays, _overlays(run, layout, rows))
    share = fit["percent_iod"]
    return [
        f"<h2>{html.escape(layout.dataset)}: clips and fits</h2>",
        f"<p>{len(rows)} clips. The fit's landmarks are off by {share['mean']} % of the distance between the outer eye "
        f"corners on average, {share['worst']} % in the worst clip.</p>",
        f'<p><img src="{sheet.name}" alt="contact sheet"></p>',
        f'<p><img src="{overlays.name}" alt="fits"><br>'
        "Found landmarks (yellow), fitted ones (blue), and the fit drawn.</p>",
    ]


def _sheet(layout: Layout, rows: list[manifest.Row]) -> Any:
    """A middle frame of each speaker in each emotion; of each clip where there are no emotions."""
    speakers = sorted({row.speaker for row in rows})[:SHEET_SPEAKERS]
    emotions = [emotion for emotion in EMOTIONS if any(row.emotion == emotion for row in rows)]
    if len(emotions) < 2:
        shown = [_small(pictures.frame_of(layout.crops / row.video_path, row.n_frames // 2)) for row in rows[:8]]
        return pictures.contact_sheet([shown])
    lines = []
    for speaker in speakers:
        line = []
        for emotion in emotions:
            takes = [row for row in rows if (row.speaker, row.emotion) == (speaker, emotion)]
            blank = np.zeros((128, 128, 3), np.uint8)
            row = max(takes, key=lambda r: (r.level, r.clip_id), default=None)
            line.append(
                blank if row is None else _small(pictures.frame_of(layout.crops / row.video_path, row.n_frames // 2))
            )
        lines.append(line)
    return pictures.contact_sheet(lines, emotions)


def _overlays(run: Run, layout: Layout, rows: list[manifest.Row]) -> Any:
    model = run.face_model().load()
    lines = []
    chosen: list[manifest.Row] = []
    for row in rows:
        if row.speaker not in {other.speaker for other in chosen}:
            chosen.append(row)
    for row in chosen[:OVERLAYS]:
        t = row.n_frames // 3
        frame = pictures.frame_of(layout.crops / row.video_path, t)
        person = tracks.read_speaker(layout.coefficients, row.speaker)
        track = tracks.read(layout.coefficients, row.speaker, row.clip_id)
        found = shards.read(layout.landmarks, row.speaker, row.clip_id, ["mesh"])["mesh"][t]
        full = model.join(track["beta"][t : t + 1], track["rho"][t : t + 1, 10:12])
        fitted = model.landmark_points(person["shape"], full, track["rho"][t : t + 1], frame.shape[0])[0]
        renderer = Renderer(model, person["shape"], person["texture"], frame.shape[0])
        drawn = next(renderer.frames(full, track["rho"][t : t + 1]))
        lines.append([
            _small(frame, 256), _small(pictures.with_points(frame, found[SPARSE], (255, 220, 0)), 256),
            _small(pictures.with_points(frame, fitted[SPARSE], (60, 140, 255)), 256), _small(drawn, 256),
        ])  # fmt: skip
    return pictures.contact_sheet(lines)


def _small(image: Any, side: int = 128) -> Any:
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _plots(values: list[pd.DataFrame], run: Run) -> None:
    """Curves that ``dvc plots show`` draws: every metric's clip values, and the fit's error a clip."""
    folder = REPORTS / "plots"
    folder.mkdir(parents=True, exist_ok=True)
    means = pd.concat(values).groupby(["dataset", "method", "metric"], as_index=False)["value"].mean()
    means.to_csv(folder / "metrics.csv", index=False, float_format="%.6g")
    errors = []
    for name in run.params.datasets:
        fit = json.loads((Layout(name).work / "fit.json").read_text("utf-8"))
        errors += [{"dataset": name, "clip": row["clip"], "percent_iod": row["percent_iod"]} for row in fit["per_clip"]]
    pd.DataFrame(errors).to_csv(folder / "fit_error.csv", index=False)


def _facts(content: dict[str, Any]) -> str:
    return f"<pre>{html.escape(json.dumps(content, indent=1, ensure_ascii=False))}</pre>"
