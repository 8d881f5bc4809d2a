"""Commands that evaluate videos: ``eval``, ``validate``, ``demo``, and what there is to choose from."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table as Grid

from gmbench.commands import terminal
from gmbench.commands.methods import generate_test_clips
from gmbench.commands.options import DEFAULT_OUT, JsonFlag, LandmarkName, MetricNames, named_folders, split


def evaluate(
    videos: Annotated[
        list[str] | None, typer.Option(help="Folder of generated videos, DIR or NAME=DIR; repeat for more methods.")
    ] = None,
    reference: Annotated[Path | None, typer.Option(help="Folder of real videos of the same names.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="Name of the method, in the order of --videos.")] = None,
    pairs: Annotated[Path | None, typer.Option(help="CSV of pairs: clip, generated, reference, audio, ...")] = None,
    audio: Annotated[Path | None, typer.Option(help="Folder of sounds of the same names.")] = None,
    labels: Annotated[Path | None, typer.Option(help="CSV with clip, speaker, emotion.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Name of the dataset in records.")] = None,
    metrics: MetricNames = None,
    protocol: Annotated[str, typer.Option(help="Name, or path of a YAML file; see 'gmbench protocols'.")] = "full",
    landmarks: LandmarkName = None,
    pose: Annotated[str | None, typer.Option(help="Head pose: mediapipe (its matrix) or pnp.")] = None,
    controls: Annotated[
        list[str] | None,
        typer.Option(
            help="Control rows, or all: ground_truth, still, blur, late_audio, shuffled_audio, wrong_emotion."
        ),
    ] = None,
    extractors: Annotated[
        str | None,
        typer.Option("--extractors", "--judges", help="Feature extractors: official, or corpus for synthetic faces."),
    ] = None,
    sync_crop: Annotated[str | None, typer.Option(help="SyncNet's crop: s3fd, landmarks or eat.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, or bfloat16: faster on some processors, not exact.")
    ] = None,
    fid_frames: Annotated[int | None, typer.Option(help="Frames per clip for FID; 0: all, up to 50,000.")] = None,
    interpolation: Annotated[
        list[str] | None, typer.Option(help="Folder of sequences between emotions, NAME=DIR; for E-PPL and E-PDV.")
    ] = None,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for records and table.")] = DEFAULT_OUT,
    store: Annotated[Path | None, typer.Option(help="Feature store; GMBENCH_STORE or the cache by default.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a dask scheduler.")] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds to wait while the scheduler has no workers; no limit by default."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Frames read at a time.")] = 16,
    min_coverage: Annotated[
        float, typer.Option(min=0, max=1, help="Exit with 6 if a metric covers less of the clips.")
    ] = 0.0,
    as_json: JsonFlag = False,
) -> None:
    """Compare folders of generated videos with real ones.

    With --method alone, a method that was trained here generates the test clips of params.yaml and is scored on them.
    """
    from gmbench.evaluation import protocol as protocols
    from gmbench.evaluation.comparison import compare, require_coverage
    from gmbench.evaluation.planning.controls import check
    from gmbench.evaluation.planning.inputs import Inputs, gather
    from gmbench.evaluation.results import result_folder
    from gmbench.executor import connection
    from gmbench.reporting.found_records import check_loose
    from gmbench.reporting.saved_results import save_results

    chosen = protocols.load(
        protocol,
        landmarks=landmarks,
        pose=pose,
        extractors=extractors,
        sync_crop=sync_crop,
        precision=precision,
        fid_frames=fid_frames,
    )
    sequences, names, rows = named_folders(interpolation or []), split(metrics) or [], check(split(controls) or [])
    check_loose(out_dir)
    result_folder.check_writable(out_dir)
    if videos or pairs or reference or not (sequences or method):
        inputs = gather(videos or [], method or [], reference, audio, pairs, labels, dataset)
    elif sequences:
        inputs = Inputs({}, (), dataset or "interpolation")
    else:
        inputs, chosen, pipeline_store = generate_test_clips(method or [], dataset, workers)
        store = store or pipeline_store
    with connection(scheduler, timeout), terminal.progress("evaluating") as report:
        result = compare(
            inputs,
            chosen,
            names,
            rows,
            sequences,
            store=store,
            workers=workers,
            scheduler=scheduler,
            batch=batch_size,
            progress=report,
            error_log=out_dir / result_folder.ERRORS,
            on_plan=lambda plan: terminal.print_warnings(plan.warnings),
        )
    asked: dict[str, object] = {
        "dataset": inputs.dataset,
        "methods": list(inputs.methods),
        "protocol": result.protocol.model_dump(),
        "metrics": names or list(chosen.metrics) or "defaults",
        "controls": rows,
    }
    said = result.plan.warnings if result.plan else ()
    notes = result_folder.merge_warnings(out_dir, result.records)
    terminal.print_warnings(note for note in notes if note not in said)
    summary = save_results(out_dir, result.records, asked, result.plan)
    terminal.print_failures(result.records)
    if as_json:
        terminal.print_json([row.as_json() for row in summary])
    else:
        terminal.print_summary(summary)
        terminal.err.print(f"records and table: {out_dir}", markup=False, highlight=False)
    require_coverage(summary, min_coverage)


def validate(
    reference: Annotated[Path, typer.Option(help="Folder of real videos.")],
    labels: Annotated[Path | None, typer.Option(help="CSV with clip, speaker, emotion.")] = None,
    audio: Annotated[Path | None, typer.Option(help="Folder of sounds of the same names.")] = None,
    metrics: MetricNames = None,
    corruptions: Annotated[list[str] | None, typer.Option(help="By name; all by default.")] = None,
    protocol: Annotated[str, typer.Option(help="Name, or path of a YAML file.")] = "full",
    landmarks: LandmarkName = None,
    extractors: Annotated[
        str | None, typer.Option("--extractors", "--judges", help="Feature extractors: official or corpus.")
    ] = None,
    clips: Annotated[int, typer.Option(min=1, help="At most so many clips, as many of each emotion.")] = 24,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for records, table and curves.")] = Path("validation"),
    store: Annotated[Path | None, typer.Option(help="Feature store.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """How each metric responds to graded corruption of real clips, with a sentence where it does not as it should."""
    import json

    from gmbench.evaluation import protocol as protocols
    from gmbench.evaluation import validate as validation
    from gmbench.evaluation.planning import inputs
    from gmbench.evaluation.results import result_folder
    from gmbench.reporting import validation_curves
    from gmbench.store import write_atomically

    chosen = protocols.load(protocol, landmarks=landmarks, extractors=extractors)
    given = inputs.gather([], [], reference, audio, None, labels)
    picked = validation.chosen(split(corruptions))
    result_folder.check_writable(out_dir)
    with terminal.progress("validating") as report:
        result = validation.validate(
            given,
            chosen,
            split(metrics) or [],
            picked,
            clips,
            store=store,
            workers=workers,
            progress=report,
            error_log=out_dir / result_folder.ERRORS,
            on_plan=lambda plan: terminal.print_warnings(plan.warnings),
        )
    asked = {"dataset": given.dataset, "protocol": chosen.model_dump(), "clips": len(result.plan.clips)}
    result_folder.save(out_dir, result.records, asked)
    rows = [curve.as_json() for curve in result.curves]
    text = validation_curves.markdown(result.curves)
    write_atomically(out_dir / "validation.json", (json.dumps(rows, indent=1) + "\n").encode())
    write_atomically(out_dir / "validation.md", text.encode())
    validation_curves.draw(result.curves, out_dir / "validation.png")
    if as_json:
        terminal.print_json(rows)
        return
    sys.stdout.write(text)
    terminal.err.print(f"records, table and curves: {out_dir}", markup=False, highlight=False)


def list_metrics(name: Annotated[str | None, typer.Argument()] = None, as_json: JsonFlag = False) -> None:
    """List the metrics, or explain one: how to interpret it, and its caveats."""
    from dataclasses import asdict

    from gmbench.evaluation.scoring import registry

    chosen = [registry.METRICS.get(name)] if name else list(registry.metrics().values())
    rows = [asdict(metric.spec) | {"package": registry.METRICS.package(metric.name)} for metric in chosen]
    if as_json:
        terminal.print_json(rows)
        return
    if name:
        for field, value in rows[0].items():
            text = ", ".join(value) if isinstance(value, tuple) else str(value)
            terminal.out.print(f"{field + ':':<15}{text}", markup=False, highlight=False, soft_wrap=True)
        return
    grid = Grid("name", "", "unit", "range", "needs", "version", "default", "package", header_style="bold")
    for metric, row in zip(chosen, rows, strict=True):
        spec = metric.spec
        needs, default = ", ".join(spec.needs), "yes" if spec.default else ""
        grid.add_row(spec.name, spec.arrow, spec.unit, spec.range, needs, str(spec.version), default, row["package"])
    terminal.out.print(grid)


def list_protocols(name: Annotated[str | None, typer.Argument()] = None, as_json: JsonFlag = False) -> None:
    """List the protocols, or show one."""
    from gmbench.evaluation import protocol as protocols

    loaded = [protocols.load(each) for each in ([name] if name else protocols.names())]
    rows = [{"hash": protocol.hash, **protocol.model_dump()} for protocol in loaded]
    if as_json:
        terminal.print_json(rows)
    elif name:
        for field, value in rows[0].items():
            terminal.out.print(f"{field + ':':<18}{value}", markup=False, highlight=False)
    else:
        grid = Grid("name", "hash", "description", header_style="bold")
        for row in rows:
            grid.add_row(row["name"], row["hash"], row["description"])
        terminal.out.print(grid)


def demo(
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for clips and results.")] = Path("demo-out"),
    speakers: Annotated[int, typer.Option(min=1)] = 6,
    clips: Annotated[int, typer.Option(min=1, help="Clips per speaker.")] = 2,
    workers: Annotated[int, typer.Option(min=1)] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Draw talking heads and two imitations of them, and compare: no data, weights or network needed."""
    from gmbench.corpus.sketch import METHODS, write_sketches

    write_sketches(out_dir / "clips", speakers, clips)
    evaluate(
        videos=[f"{name}={out_dir / 'clips' / name}" for name in METHODS],
        reference=out_dir / "clips" / "reference",
        dataset="sketch",
        landmarks="sidecar",
        pose="mediapipe",
        controls=["all"],
        out_dir=out_dir / "results",
        store=out_dir / "store",
        workers=workers,
        as_json=as_json,
    )
