"""Commands that evaluate videos: ``eval``, ``validate``, ``demo``, and what there is to choose from."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmbench.commands import terminal
from gmbench.commands.methods import generate_test_clips
from gmbench.commands.options import (
    DEFAULT_OUT,
    INPUTS,
    MEASURE,
    RUNNING,
    Device,
    Digits,
    ExtractorKind,
    JsonFlag,
    LandmarkName,
    Look,
    MetricNames,
    NoIntervals,
    Scheduler,
    Timeout,
    Transpose,
    Wide,
    named_folders,
    split,
)
from gmbench.devices import AUTO

if TYPE_CHECKING:
    from gmbench.api.result import Result
    from gmbench.evaluation.planning.plan import Plan
    from gmbench.metrics.spec import MetricSpec


def evaluate(
    videos: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder of generated videos, DIR or NAME=DIR; repeat for more methods.", rich_help_panel=INPUTS
        ),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Folder of real videos of the same names.", rich_help_panel=INPUTS)
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Name of the method, in the order of --videos.", rich_help_panel=INPUTS)
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="CSV of pairs: clip, generated, reference, audio, ...", rich_help_panel=INPUTS)
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(help="Folder of sounds of the same names.", rich_help_panel=INPUTS)
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV with clip, speaker, emotion.", rich_help_panel=INPUTS)
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Name of the dataset in records.", rich_help_panel=INPUTS)] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many clips, for a try.", rich_help_panel=INPUTS)
    ] = None,
    interpolation: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder of sequences between emotions, NAME=DIR; for E-PPL and E-PDV.", rich_help_panel=INPUTS
        ),
    ] = None,
    metrics: MetricNames = None,
    controls: Annotated[
        list[str] | None,
        typer.Option(
            help="Control rows, or all: ground_truth, still, blur, reencode, late_audio, shuffled_audio, "
            "wrong_emotion.",
            rich_help_panel=MEASURE,
        ),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="Name, or path of a YAML file; see 'gmbench protocols'.", rich_help_panel=MEASURE)
    ] = "full",
    landmarks: LandmarkName = None,
    pose: Annotated[
        str | None, typer.Option(help="Head pose: mediapipe (its matrix) or pnp.", rich_help_panel=MEASURE)
    ] = None,
    extractors: ExtractorKind = None,
    sync_crop: Annotated[
        str | None, typer.Option(help="SyncNet's crop: s3fd, landmarks or eat.", rich_help_panel=MEASURE)
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="float32; faster, not exact: bfloat16, or tf32 on a GPU.", rich_help_panel=MEASURE),
    ] = None,
    fid_frames: Annotated[
        int | None, typer.Option(help="Frames per clip for FID; 0: all, up to 50,000.", rich_help_panel=MEASURE)
    ] = None,
    min_coverage: Annotated[
        float,
        typer.Option(min=0, max=1, help="Exit with 6 if a metric covers less of the clips.", rich_help_panel=MEASURE),
    ] = 0.0,
    out_dir: Annotated[
        Path, typer.Option("--out", help="Folder for records and table.", rich_help_panel=RUNNING)
    ] = DEFAULT_OUT,
    store: Annotated[
        Path | None, typer.Option(help="Feature store; GMBENCH_STORE or the cache by default.", rich_help_panel=RUNNING)
    ] = None,
    device: Device = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine.", rich_help_panel=RUNNING)] = 1,
    scheduler: Scheduler = None,
    timeout: Timeout = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Frames read at a time.", rich_help_panel=RUNNING)] = 16,
    wide: Wide = False,
    no_intervals: NoIntervals = False,
    digits: Digits = None,
    transpose: Transpose = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare folders of generated videos with real ones.

    With --method alone, a method that was trained here generates the test clips of params.yaml and is scored on them.
    """
    from gmbench.api.evaluation import evaluate_inputs
    from gmbench.evaluation import protocol as protocols
    from gmbench.evaluation.planning.controls import check
    from gmbench.evaluation.planning.inputs import Inputs, gather, limited
    from gmbench.evaluation.results import result_folder
    from gmbench.executor import connection
    from gmbench.reporting.found_records import check_loose

    chosen = protocols.load(
        protocol, landmarks=landmarks, pose=pose, extractors=extractors, sync_crop=sync_crop, precision=precision,
        fid_frames=fid_frames, device=device or AUTO,
    )  # fmt: skip
    sequences, names, rows = named_folders(interpolation or []), split(metrics) or [], check(split(controls) or [])
    check_loose(out_dir)
    result_folder.check_writable(out_dir)
    if videos or pairs or reference or not (sequences or method):
        inputs = gather(videos or [], method or [], reference, audio, pairs, labels, dataset)
    elif sequences:
        inputs = Inputs({}, (), dataset or "interpolation")
    else:
        inputs, chosen, pipeline_store = generate_test_clips(method or [], dataset, workers, device)
        store = store or pipeline_store
    inputs = limited(inputs, limit)
    with connection(scheduler, timeout), terminal.progress("evaluating") as report:
        report.phase("reading the files")

        def on_plan(plan: "Plan") -> None:
            terminal.print_warnings(plan.warnings)
            report.phase("the first clip")

        result = evaluate_inputs(
            inputs, chosen, names, rows, sequences, store=store, workers=workers, scheduler=scheduler, batch=batch_size,
            progress=report, error_log=out_dir / result_folder.ERRORS, on_plan=on_plan,
        )  # fmt: skip
    _save_and_show(result, out_dir, None if as_json else Look(wide, no_intervals, digits, transpose), min_coverage)


def _save_and_show(result: "Result", out_dir: Path, look: Look | None, min_coverage: float) -> None:
    """Keep what was measured, print it and the reasons of what is missing; None as ``look`` prints JSON.

    Raises:
        CoverageError: nothing could be computed, or less than the least coverage.
    """
    from gmbench.evaluation.comparison import require_coverage, require_numbers
    from gmbench.evaluation.results import result_folder
    from gmbench.evaluation.results.reasons import reasons_of
    from gmbench.reporting.saved_results import save_results
    from gmbench.reporting.tables import comparison_table

    notes = result_folder.merge_warnings(out_dir, result.encoded)
    terminal.print_warnings(note for note in notes if note not in result.warnings)
    summaries = save_results(out_dir, result.encoded, result.arguments, result.plan)
    rows = [row for summary in summaries for row in summary.rows]
    if look is None:
        terminal.print_json([row.as_json() for row in rows])
    else:
        for summary in summaries:
            table = look.of(comparison_table(summary, summary.keys))
            terminal.print_table(table, wide=look.wide, swap=look.transpose)
        terminal.note(f"records and table: {out_dir}")
    terminal.print_reasons(reasons_of(result.encoded), result.encoded)
    require_numbers(result.encoded)
    require_coverage(rows, min_coverage)


def validate(
    reference: Annotated[Path, typer.Option(help="Folder of real videos.")],
    labels: Annotated[Path | None, typer.Option(help="CSV with clip, speaker, emotion.")] = None,
    audio: Annotated[Path | None, typer.Option(help="Folder of sounds of the same names.")] = None,
    metrics: MetricNames = None,
    corruptions: Annotated[list[str] | None, typer.Option(help="By name; all by default.")] = None,
    protocol: Annotated[str, typer.Option(help="Name, or path of a YAML file.")] = "full",
    landmarks: LandmarkName = None,
    extractors: ExtractorKind = None,
    precision: Annotated[str | None, typer.Option(help="float32, bfloat16, or tf32 on a GPU.")] = None,
    clips: Annotated[int, typer.Option(min=1, help="At most so many clips, as many of each emotion.")] = 24,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for records, table and curves.")] = Path("validation"),
    store: Annotated[Path | None, typer.Option(help="Feature store.")] = None,
    device: Device = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    scheduler: Scheduler = None,
    timeout: Timeout = None,
    as_json: JsonFlag = False,
) -> None:
    """How each metric responds to graded corruption of real clips, with a sentence where it does not as it should."""
    import json

    from gmbench.evaluation import protocol as protocols
    from gmbench.evaluation import validate as validation
    from gmbench.evaluation.planning import inputs
    from gmbench.evaluation.results import result_folder
    from gmbench.executor import connection
    from gmbench.reporting import validation_curves
    from gmbench.store import write_atomically

    chosen = protocols.load(
        protocol, landmarks=landmarks, extractors=extractors, precision=precision, device=device or AUTO
    )
    given = inputs.gather([], [], reference, audio, None, labels)
    picked = validation.chosen(split(corruptions))
    result_folder.check_writable(out_dir)
    with connection(scheduler, timeout), terminal.progress("validating") as report:
        result = validation.validate(
            given,
            chosen,
            split(metrics) or [],
            picked,
            clips,
            store=store,
            workers=workers,
            scheduler=scheduler,
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
    terminal.note(f"records, table and curves: {out_dir}")


def list_metrics(
    name: Annotated[str | None, typer.Argument(help="A metric, or a group: picture, lips, ...")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the metrics and whether they can run here, or explain one: how to interpret it, and its caveats."""
    from dataclasses import asdict

    from gmbench.doctor import lacking_files
    from gmbench.evaluation.scoring import registry
    from gmbench.evaluation.scoring.naming import GROUPS

    known = registry.metrics()
    if name is None or name.casefold() in GROUPS:
        chosen = [metric for metric in known.values() if name is None or metric.spec.group == name.casefold()]
    else:
        chosen = [known[each] for each in registry.resolve(name)]
    here = {metric.name: lacking_files(metric) for metric in chosen}
    rows = [
        asdict(metric.spec)
        | {
            "package": registry.METRICS.package(metric.name),
            "runs_here": not here[metric.name],
            "lacks": here[metric.name],
        }
        for metric in chosen
    ]
    if as_json:
        terminal.print_json(rows)
    elif name is None or name.casefold() in GROUPS:
        for group in dict.fromkeys(metric.spec.group for metric in chosen):
            terminal.line(group or "other", "bold")
            part = [metric for metric in chosen if metric.spec.group == group]
            terminal.print_list(("name", "what"), [(m.name, _what(m.spec, here[m.name])) for m in part], titles=False)
    else:
        for row in rows:
            terminal.print_facts(row | {"runs_here": "yes" if row["runs_here"] else "no"})


def _what(spec: "MetricSpec", lacking: Sequence[str]) -> str:
    """A metric in one line, and what it lacks to run here."""
    return (
        f"{spec.title} {spec.arrow}".strip()
        + f": {spec.one_line}"
        + (f" Missing: {', '.join(lacking)}." if lacking else "")
    )


def list_protocols(name: Annotated[str | None, typer.Argument()] = None, as_json: JsonFlag = False) -> None:
    """List the protocols, or show one."""
    from gmbench.evaluation import protocol as protocols

    loaded = [protocols.load(each) for each in ([name] if name else protocols.names())]
    rows = [{"hash": protocol.hash, **protocol.model_dump()} for protocol in loaded]
    if as_json:
        terminal.print_json(rows)
    elif name:
        terminal.print_facts(rows[0])
    else:
        header = ("name", "hash", "description")
        terminal.print_list(header, [[row[field] for field in header] for row in rows])


def demo(
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for clips and results.")] = Path("demo-out"),
    speakers: Annotated[int, typer.Option(min=1, help="Fewer than eight tell nothing about four metrics.")] = 8,
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
