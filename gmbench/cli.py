"""The command: parse, call, print."""

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer
from rich.table import Table as Grid

import gmbench
from gmbench import cli_methods, cli_report, terminal
from gmbench.cli_data import corpus_app, data_app, facemodel_app, profile_app
from gmbench.cli_report import DEFAULT_OUT, JsonFlag, MetricNames, split
from gmbench.cli_weights import weights_app
from gmbench.errors import CoverageError, GmbenchError

if TYPE_CHECKING:
    from pandas import DataFrame

    from gmbench.evaluation.aggregate import Row
    from gmbench.evaluation.protocol import Protocol

app = typer.Typer(
    name="gmbench",
    help="Benchmark suite for audio-driven emotional talking portraits.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for name, group in (
    ("corpus", corpus_app),
    ("data", data_app),
    ("facemodel", facemodel_app),
    ("profile", profile_app),
    ("weights", weights_app),
):
    app.add_typer(group, name=name)

app.command("train")(cli_methods.train)
app.command("generate")(cli_methods.generate)
app.command("ablate")(cli_methods.ablate)
app.command("methods")(cli_methods.list_methods)
for command in (
    cli_report.table, cli_report.compare, cli_report.report, cli_report.published, cli_report.latents,
    cli_report.userstudy,
):  # fmt: skip
    app.command()(command)


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and details.")] = False,
) -> None:
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(name)s: %(message)s")
    for name in ("numba", "matplotlib", "PIL", "asyncio", "distributed", "h5py"):
        logging.getLogger(name).setLevel(logging.ERROR)


@app.command("eval")
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
    landmarks: Annotated[str | None, typer.Option(help="Landmark backend: mediapipe, fan, sidecar, corpus.")] = None,
    pose: Annotated[str | None, typer.Option(help="Head pose: mediapipe (its matrix) or pnp.")] = None,
    controls: Annotated[
        list[str] | None,
        typer.Option(
            help="Control rows, or all: ground_truth, still, blur, late_audio, shuffled_audio, wrong_emotion."
        ),
    ] = None,
    judges: Annotated[
        str | None, typer.Option(help="Networks that judge: official, or corpus for synthetic faces.")
    ] = None,
    sync_crop: Annotated[str | None, typer.Option(help="SyncNet's crop: s3fd, landmarks or eat.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, or bfloat16: faster on some processors, not exact.")
    ] = None,
    fid_frames: Annotated[int | None, typer.Option(help="Frames a clip for FID; 0: all, up to 50,000.")] = None,
    interpolation: Annotated[
        list[str] | None, typer.Option(help="Folder of sequences between emotions, NAME=DIR; for E-PPL and E-PDV.")
    ] = None,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for records and table.")] = DEFAULT_OUT,
    store: Annotated[Path | None, typer.Option(help="Feature store; GMBENCH_STORE or the cache by default.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a dask scheduler.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Frames read at a time.")] = 16,
    min_coverage: Annotated[
        float, typer.Option(min=0, max=1, help="Exit with 6 if a metric covers less of the clips.")
    ] = 0.0,
    as_json: JsonFlag = False,
) -> None:
    """Compare folders of generated videos with real ones.

    With --method alone, a method that was trained here speaks the test clips of params.yaml and is scored on them.
    """
    from gmbench.evaluation import aggregate, inputs, plan, registry, results
    from gmbench.evaluation import controls as control_rows
    from gmbench.evaluation import protocol as protocols
    from gmbench.evaluation import records as record_table
    from gmbench.evaluation.interpolation import score_sequences
    from gmbench.evaluation.run import evaluate as run
    from gmbench.reporting import tables
    from gmbench.store import default_root

    if landmarks in ("sidecar", "corpus") and pose is None:
        pose = "pnp"
    chosen = protocols.load(
        protocol,
        landmarks=landmarks,
        pose=pose,
        judges=judges,
        sync_crop=sync_crop,
        precision=precision,
        fid_frames=fid_frames,
    )
    if interpolation and not (videos or pairs or reference):
        _interpolated(interpolation, chosen, dataset or "interpolation", out_dir, as_json)
        return
    names = split(metrics)
    names = names or list(chosen.metrics)
    rows = control_rows.check(split(controls) or [])
    results.check_writable(out_dir)
    if method and not (videos or pairs or reference):
        planned, root = cli_methods.speak_and_plan(method, dataset, names, rows, workers)
        given = inputs.Inputs({}, (), planned.dataset)
    else:
        given = inputs.gather(videos or [], method or [], reference, audio, pairs, labels, dataset)
        selected = registry.select(names, bool(given.references))
        planned = plan.make_plan(
            given.methods, given.dataset, chosen, selected, rows, given.references, explicit=bool(names)
        )
        root = default_root()
    planned = replace(planned, warnings=(*given.warnings, *planned.warnings))
    terminal.print_warnings(planned.warnings)
    with terminal.progress("evaluating") as report:
        records = run(planned, store or root, workers, scheduler, batch_size, report)
    if interpolation:
        between = score_sequences(_named(interpolation), given.dataset, planned.protocol)
        records = record_table.frame([*records.to_dict("records"), *between.to_dict("records")])
    asked: dict[str, object] = {
        "dataset": given.dataset,
        "methods": list(given.methods) or method,
        "protocol": planned.protocol.model_dump(),
        "metrics": names or "defaults",
        "controls": rows,
    }
    merged = results.save(out_dir, records, asked, planned)
    tables.save(out_dir, results.only(merged, protocol=planned.protocol.hash))
    summary = aggregate.rows(records)
    _show(records, summary, out_dir, as_json)
    _demand(summary, min_coverage)


def _show(records: "DataFrame", summary: "list[Row]", out_dir: Path, as_json: bool) -> None:
    """Failures, and the numbers as a table or as JSON."""
    terminal.print_failures(records)
    if as_json:
        terminal.print_json([row.as_json() for row in summary])
    else:
        terminal.print_summary(summary)
        terminal.err.print(f"records and table: {out_dir}", markup=False, highlight=False)


def _demand(summary: "list[Row]", min_coverage: float) -> None:
    """Refuse numbers that cover too few of the clips."""
    low = [row for row in summary if row.n < min_coverage * row.expected]
    if low:
        worst = min(low, key=lambda row: row.n / max(row.expected, 1))
        raise CoverageError(
            f"{len(low)} numbers below --min-coverage {min_coverage}, for example {worst.metric} of {worst.method}: "
            f"{worst.n} of {worst.expected} clips"
        )


def _interpolated(folders: list[str], protocol: "Protocol", dataset: str, out_dir: Path, as_json: bool) -> None:
    """Sequences alone, without clips."""
    from gmbench.evaluation import aggregate, results
    from gmbench.evaluation.interpolation import score_sequences
    from gmbench.reporting import tables

    results.check_writable(out_dir)
    records = score_sequences(_named(folders), dataset, protocol)
    merged = results.save(out_dir, records, {"dataset": dataset, "protocol": protocol.model_dump()})
    tables.save(out_dir, results.only(merged, protocol=protocol.hash))
    _show(records, aggregate.rows(records), out_dir, as_json)


def _named(entries: list[str]) -> dict[str, Path]:
    """``NAME=DIR`` or ``DIR`` to folders by name."""
    pairs = [entry.split("=", 1) if "=" in entry else [Path(entry).name, entry] for entry in entries]
    return {name: Path(folder) for name, folder in pairs}


@app.command()
def validate(
    reference: Annotated[Path, typer.Option(help="Folder of real videos.")],
    labels: Annotated[Path | None, typer.Option(help="CSV with clip, speaker, emotion.")] = None,
    audio: Annotated[Path | None, typer.Option(help="Folder of sounds of the same names.")] = None,
    metrics: MetricNames = None,
    corruptions: Annotated[list[str] | None, typer.Option(help="By name; all by default.")] = None,
    protocol: Annotated[str, typer.Option(help="Name, or path of a YAML file.")] = "full",
    landmarks: Annotated[str | None, typer.Option(help="Landmark backend.")] = None,
    judges: Annotated[str | None, typer.Option(help="Networks that judge: official or corpus.")] = None,
    clips: Annotated[int, typer.Option(min=1, help="At most so many clips, of each emotion alike.")] = 24,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for records, table and curves.")] = Path("validation"),
    store: Annotated[Path | None, typer.Option(help="Feature store.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """How each metric responds to graded corruption of real clips, with a sentence where it does not as it should."""
    import json

    from gmbench.evaluation import inputs, plan, registry, results
    from gmbench.evaluation import protocol as protocols
    from gmbench.evaluation import validate as validation
    from gmbench.evaluation.run import evaluate as run
    from gmbench.reporting import curves
    from gmbench.store import default_root, write_atomically

    pose = "pnp" if landmarks in ("sidecar", "corpus") else None
    chosen = protocols.load(protocol, landmarks=landmarks, pose=pose, judges=judges)
    given = inputs.gather([], [], reference, audio, None, labels)
    names = split(metrics)
    picked = validation.chosen(split(corruptions))
    results.check_writable(out_dir)
    pairs = validation.spread(given.references, clips)
    selected = registry.select(names, True)
    planned = plan.make_plan({}, given.dataset, chosen, selected, ["ground_truth"], pairs, explicit=bool(names))
    terminal.print_warnings(planned.warnings)
    with terminal.progress("validating") as report:
        records = run(validation.corrupted(planned, picked), store or default_root(), workers, progress=report)
    results.save(out_dir, records, {"dataset": given.dataset, "protocol": chosen.model_dump(), "clips": len(pairs)})
    found = validation.curves(records, picked)
    rows = [curve.as_json() for curve in found]
    write_atomically(out_dir / "validation.json", (json.dumps(rows, indent=1) + "\n").encode())
    write_atomically(out_dir / "validation.md", curves.markdown(found).encode())
    curves.draw(found, out_dir / "validation.png")
    if as_json:
        terminal.print_json(rows)
        return
    sys.stdout.write(curves.markdown(found))
    terminal.err.print(f"records, table and curves: {out_dir}", markup=False, highlight=False)


@app.command("metrics")
def list_metrics(name: Annotated[str | None, typer.Argument()] = None, as_json: JsonFlag = False) -> None:
    """List the metrics, or explain one: how to read it and its traps."""
    from dataclasses import asdict

    from gmbench.evaluation import registry

    chosen = registry.select([name], has_reference=True) if name else list(registry.metrics().values())
    if as_json:
        terminal.print_json([asdict(metric.facts) for metric in chosen])
        return
    if name:
        for field, value in asdict(chosen[0].facts).items():
            text = ", ".join(value) if isinstance(value, tuple) else str(value)
            terminal.out.print(f"{field + ':':<13}{text}", markup=False, highlight=False, soft_wrap=True)
        return
    grid = Grid("name", "", "unit", "range", "needs", "version", "default", header_style="bold")
    for metric in chosen:
        facts = metric.facts
        needs = ", ".join(facts.needs)
        default = "yes" if facts.default else ""
        grid.add_row(facts.name, facts.arrow, facts.unit, facts.range, needs, str(facts.version), default)
    terminal.out.print(grid)


@app.command("protocols")
def list_protocols(name: Annotated[str | None, typer.Argument()] = None, as_json: JsonFlag = False) -> None:
    """List the protocols, or show one."""
    from gmbench.evaluation import protocol as protocols

    found = [protocols.load(known) for known in ([name] if name else protocols.names())]
    rows = [{"hash": item.hash, **item.model_dump()} for item in found]
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


@app.command()
def doctor(as_json: JsonFlag = False) -> None:
    """What is installed, what is missing, and what that rules out."""
    from gmbench.doctor import examine

    findings = examine()
    if as_json:
        terminal.print_json([finding.as_json() for finding in findings])
        return
    grid = Grid("what", "state", "detail", "rules out", header_style="bold")
    for finding in findings:
        style = None if finding.state == "ok" else "yellow"
        grid.add_row(finding.what, finding.state, finding.detail, finding.rules_out, style=style)
    terminal.out.print(grid)


@app.command()
def demo(
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for clips and results.")] = Path("demo-out"),
    speakers: Annotated[int, typer.Option(min=1)] = 6,
    clips: Annotated[int, typer.Option(min=1, help="Clips a speaker.")] = 2,
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


@app.command()
def version() -> None:
    """Version of gmbench."""
    terminal.out.print(gmbench.__version__, highlight=False)


def main() -> None:
    """Entry point: expected errors become one line and an exit code."""
    debug = "--debug" in sys.argv
    try:
        status = app(standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        terminal.err.print("stopped; run the same command again to go on", markup=False)
        sys.exit(130)
    except GmbenchError as error:
        if debug:
            raise
        terminal.err.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
