"""Commands that read records: tables, comparisons, the report page, published figures, latents, user studies."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmbench.commands import terminal
from gmbench.commands.options import (
    PRINTING,
    Digits,
    JsonFlag,
    Look,
    MetricNames,
    NoIntervals,
    Transpose,
    Wide,
    named_folders,
    split,
)
from gmbench.errors import InputError

if TYPE_CHECKING:
    from gmbench.reporting.found_records import FoundRecords
    from gmbench.reporting.table_formats import Table

Records = Annotated[
    list[Path] | None,
    typer.Option(
        "--records",
        help="Folder of an evaluation, or a file of records; repeat for more. By default gmbench-results "
        "and what the pipeline of this folder scored.",
    ),
]
OneDataset = Annotated[str | None, typer.Option("--dataset", help="Records of this dataset only.")]
OneProtocol = Annotated[str | None, typer.Option("--protocol", help="Records of this protocol (name or hash) only.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format", help="text, md, csv, latex or html; by default that of --out, else text.", rich_help_panel=PRINTING
    ),
]
File = Annotated[
    Path | None,
    typer.Option("--out", help="File to write: .txt, .md, .csv, .tex or .html.", rich_help_panel=PRINTING),
]
_SUFFIXES = {".txt": "text", ".md": "md", ".csv": "csv", ".tex": "latex", ".html": "html"}


def table(
    records: Records = None,
    metrics: MetricNames = None,
    methods: Annotated[
        list[str] | None, typer.Option(help="Only these methods, repeated or separated by commas.")
    ] = None,
    no_controls: Annotated[bool, typer.Option("--no-controls", help="Without the control rows.")] = False,
    dataset: OneDataset = None,
    protocol: OneProtocol = None,
    like: Annotated[
        str | None, typer.Option(help="A paper's table as the form, for example gmtalker-1; 'list' names them.")
    ] = None,
    ranks: Annotated[bool, typer.Option("--ranks", help="Methods ranked over all metrics instead.")] = False,
    ratings: Annotated[Path | None, typer.Option(help="CSV of a user study, for --like of one.")] = None,
    latents: Annotated[
        list[Path] | None,
        typer.Option(help="NPZ of embeddings, for --like dicetalk-5; by default what the pipeline's page drew."),
    ] = None,
    form: Format = None,
    out: File = None,
    wide: Wide = False,
    no_intervals: NoIntervals = False,
    digits: Digits = None,
    transpose: Transpose = False,
    as_json: JsonFlag = False,
) -> None:
    """Comparison table from records; best values are bold only where a paired test supports it."""
    from gmbench.evaluation.results import result_folder
    from gmbench.evaluation.scoring.registry import present_keys
    from gmbench.reporting import paper_tables, tables
    from gmbench.reporting import ranks as ranking
    from gmbench.reporting.summary import Summary

    look = Look(wide, no_intervals, digits, transpose)
    if like == "list":
        papers = paper_tables.load_all().values()
        terminal.print_list(
            ("name", "table", "dataset"), [(p.name, f"{p.source} {p.place}", p.dataset) for p in papers]
        )
        return
    if like is not None:
        _show([_paper_table(like, records, dataset, protocol, ratings, latents)], form, out, look)
        return
    names = split(metrics) or []
    chosen = result_folder.only(gather(records).records, dataset, protocol, None if ranks else names, several=True)
    chosen = result_folder.of_methods(chosen, split(methods), no_controls)
    summaries = Summary.per_protocol(chosen)
    if as_json:
        terminal.print_json([row.as_json() for summary in summaries for row in summary.rows])
        return
    everything = list(chosen["metric"].unique())
    for_machines = form == "csv" or (form is None and out is not None and out.suffix.lower() == ".csv")
    keys = present_keys(names, everything) if names else everything if for_machines else []
    built = []
    for summary in summaries:
        if ranks:
            ranked = ranking.ranks(summary)
            built.append(ranking.as_table(ranked, f"{tables.caption(summary)}: ranks over all metrics"))
        else:
            built.append(tables.comparison_table(summary, [key for key in keys if key in summary.keys]))
    _show(built, form, out, look, turnable=not ranks)


def _show(tables: "Sequence[Table]", form: str | None, out: Path | None, look: Look, turnable: bool = False) -> None:
    """Print tables or write them to a file, in the form that is asked for or that the file's name says."""
    from gmbench.names import closest
    from gmbench.reporting.table_formats import FORMATS, render
    from gmbench.reporting.table_layout import transposed
    from gmbench.store import write_atomically

    if form is None and out is not None and out.suffix not in _SUFFIXES:
        raise InputError(f"--out {out}: expected a file that ends in {', '.join(_SUFFIXES)}, or --format")
    form = form or (_SUFFIXES[out.suffix] if out is not None else "text")
    if form not in (forms := ("text", *FORMATS)):
        raise InputError(f"unknown table format {form!r}; {closest(form, forms)}")
    shown = [look.of(table) for table in tables]
    if form == "text" and out is None:
        for place, table in enumerate(shown):
            terminal.line() if place else None
            terminal.print_table(table, wide=look.wide, swap=look.transpose, turnable=turnable or look.transpose)
        return
    if form == "text":
        text = "\n".join(terminal.table_text(one, swap=look.transpose, turnable=turnable) for one in shown)
    else:
        text = "\n".join(render(transposed(one, form) if look.transpose else one, form) for one in shown)
    if out is None:
        sys.stdout.write(text)
        return
    write_atomically(out, text.encode())
    terminal.note(f"table: {out}")


def _paper_table(
    name: str,
    records: list[Path] | None,
    dataset: str | None,
    protocol: str | None,
    ratings: Path | None,
    latents: list[Path] | None,
) -> "Table":
    """A paper's table from what its kind needs; without records every cell says what is missing."""
    from gmbench.evaluation.results import result_folder
    from gmbench.reporting import paper_table_builder, paper_tables
    from gmbench.reporting.latents import drawn_latents, read_latents
    from gmbench.reporting.training_costs import read_run_cards
    from gmbench.reporting.user_study import read_ratings, study_rows
    from gmbench.stages.paths import MODELS, REPORTS

    form = paper_tables.find(name)
    if form.kind == "study":
        return paper_table_builder.build(
            form, study=study_rows(read_ratings(ratings, form.study), form.study) if ratings else None
        )
    if form.kind == "latents":
        spaces = [(path.stem, read_latents(path)) for path in latents or []]
        spaces = spaces or drawn_latents(REPORTS / "figures", form.system, dataset)
        return paper_table_builder.build(form, spaces=spaces)
    if form.kind == "cost":
        return paper_table_builder.build(form, cards=read_run_cards(MODELS, dataset))
    found = gather(records)
    chosen = result_folder.only(found.records, dataset, several=True)
    if dataset is None and len(found.pipeline) == 1 and chosen["dataset"].nunique() > 1:
        dataset = found.pipeline[0]
        terminal.print_notes([f"dataset {dataset}, which the pipeline scores; --dataset chooses another one"])
        chosen = result_folder.only(chosen, dataset, several=True)
    chosen = result_folder.only(chosen, protocol=protocol)
    if chosen["dataset"].nunique() > 1:
        names = ", ".join(sorted(chosen["dataset"].unique()))
        raise InputError(
            f"records of several datasets ({names}); choose one with --dataset, or remove what you do not need: "
            "gmbench records drop"
        )
    return paper_table_builder.build(form, chosen)


def gather(given: list[Path] | None) -> "FoundRecords":
    """Records of the folders and files that were named, or of all here; says what is from where.

    Raises:
        InputError: there are none.
    """
    from gmbench.reporting.found_records import find

    found = find(given)
    terminal.print_notes(found.notes)
    return found


def report(
    records: Records = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the page.")] = Path("gmbench-report"),
    title: Annotated[str, typer.Option(help="Title of the page.")] = "gmbench",
    clips: Annotated[
        str, typer.Option(help="link: hard links to the clips (copies on another disk), copy, or none.")
    ] = "link",
    store: Annotated[
        Path | None,
        typer.Option(help="Feature store of the evaluations, for landmarks; GMBENCH_STORE or the cache by default."),
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Serve the page on this machine until stopped.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --serve; 0 takes a free one.")] = 8000,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds something else.")] = False,
) -> None:
    """Write a page from records: leaderboard, every clip beside its reference, failures, provenance.

    In a pipeline's folder, without --records, the page has the pipeline's figures too, and evaluations beside it join;
    the pipeline's own page, reports, stays as it is. The page opens from disk.
    """
    from gmbench.reporting import page

    if clips not in page.CLIPS:
        raise InputError(f"--clips: expected one of {', '.join(page.CLIPS)}, got {clips!r}")
    found = gather(records)
    if not (serve and records is None and _newer(out / "index.html", found)):
        if found.pipeline:
            _pipeline_page(found, clips, out, force, store)
        else:
            page.from_folders([part.path for part in found.parts], out, title, clips, force, store)
        terminal.note(f"page: {out / 'index.html'}")
    if serve:
        with page.server(out, port) as server:
            terminal.note(f"http://127.0.0.1:{server.server_port}/ until Ctrl-C")
            server.serve_forever()


def _newer(page: Path, found: "FoundRecords") -> bool:
    """Whether a page was written after all records that it would show."""
    from gmbench.evaluation.results.records import FILE

    files = [part.path / FILE if part.path.is_dir() else part.path for part in found.parts]
    return page.is_file() and all(file.stat().st_mtime <= page.stat().st_mtime for file in files)


def _pipeline_page(found: "FoundRecords", clips: str, out: Path, force: bool, store: Path | None) -> None:
    from gmbench.commands.methods import project
    from gmbench.reporting.found_records import LOOSE
    from gmbench.stages.paths import REPORTS
    from gmbench.stages.report import report as write
    from gmbench.store import default_root

    if out.resolve() == REPORTS.resolve() and not force:
        raise InputError(f"{out}: the pipeline's own page, which dvc repro writes; choose another --out, or --force")
    added = [part for part in found.parts if part.path == LOOSE]
    write(project(None), out, clips, added, force, [store or default_root()])


def published(
    source: Annotated[str | None, typer.Option(help="Paper.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Dataset.")] = None,
    like: Annotated[str | None, typer.Option(help="One table, for example gmtalker-1.")] = None,
    form: Format = None,
    out: File = None,
    transpose: Transpose = False,
    as_json: JsonFlag = False,
) -> None:
    """The papers' tables as printed, with footnotes on what is wrong in them."""
    from dataclasses import asdict

    from gmbench.reporting import paper_tables
    from gmbench.reporting import published_tables as printed

    number = None
    if like is not None:
        wanted = paper_tables.find(like)
        if wanted.figure:
            raise InputError(f"{wanted.source} prints no numbers with {wanted.place}; see gmbench table --like {like}")
        source, number, dataset = wanted.source, wanted.table, dataset or wanted.dataset
    selected = printed.select(source, dataset, number)
    if as_json:
        cells = [
            {"source": t.source, "table": t.table, "dataset": t.dataset, "method": m, "metric": k, "value": v}
            for t in selected
            for (m, k), v in t.cells.items()
        ]
        terminal.print_json(cells + [asdict(f) for f in printed.errata()])
        return
    _show([printed.as_table(table) for table in selected], form, out, Look(transpose=transpose))


def compare(
    first: str,
    second: str,
    records: Records = None,
    metrics: MetricNames = None,
    dataset: OneDataset = None,
    protocol: OneProtocol = None,
    form: Format = None,
    out: File = None,
    wide: Wide = False,
    no_intervals: NoIntervals = False,
    digits: Digits = None,
    as_json: JsonFlag = False,
) -> None:
    """Paired comparison of two methods on their common clips, per dataset and protocol."""
    from gmbench.evaluation.results import identical, result_folder
    from gmbench.reporting import comparisons as pairs

    chosen = result_folder.only(gather(records).records, dataset, protocol, split(metrics), several=True)
    comparisons = pairs.compare(chosen, first, second)
    terminal.print_warnings(identical.of_records(chosen[chosen["method"].isin([first, second])]))
    if as_json:
        terminal.print_json([comparison.as_json() for comparison in comparisons])
        return
    from gmbench.reporting.comparison_tables import comparison_tables

    _show(comparison_tables(comparisons, first, second), form, out, Look(wide, no_intervals, digits))


def latents(
    file: Annotated[Path, typer.Argument(help="NPZ: embeddings (n, d), emotion (n,), speaker (n,).")],
    out_dir: Annotated[Path | None, typer.Option("--out", help="Folder for the t-SNE map.")] = None,
    seed: int = 0,
    as_json: JsonFlag = False,
) -> None:
    """Order of a latent space: clustering strength, silhouette and neighbours' purity, and a t-SNE map."""
    from gmbench.reporting.latents import draw_map, latent_rows, read_latents
    from gmbench.reporting.table_formats import number

    space = read_latents(file)
    rows = latent_rows(space)
    if out_dir is not None:
        draw_map(space, out_dir / f"{file.stem}-tsne", seed)
    if as_json:
        terminal.print_json(rows)
        return
    header = ("measure", "emotion", "value", "identities")
    terminal.print_list(
        header, [(row["measure"], row["emotion"], number(row["value"]), str(row["identities"])) for row in rows]
    )


def studysheet(
    videos: Annotated[list[str], typer.Option(help="Folder of a method's videos, NAME=DIR; repeat for more methods.")],
    out: Annotated[Path, typer.Option(help="Folder for the videos, the sheet and its key.")],
    aspects: Annotated[list[str], typer.Option(help="What is asked of each video, comma-separated.")],
    clips: Annotated[int, typer.Option(min=1, help="Clips of each method.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the choice of clips and the names of the videos.")] = 0,
) -> None:
    """Videos under anonymous names and an empty sheet for the raters of a user study."""
    from gmbench.reporting.study_sheet import KEY, SHEET, write_sheet

    count = write_sheet(named_folders(videos), out, split(aspects) or [], clips, seed)
    terminal.note(
        f"{out}: {count} videos; give raters the videos and {SHEET}, keep {KEY}, and put it beside the ratings for"
        " 'gmbench userstudy'"
    )


def userstudy(
    ratings: Annotated[Path, typer.Argument(help="CSV: rater, clip, method, aspect, value[, target].")],
    kind: Annotated[str, typer.Option(help="opinion, preference or emotion.")] = "opinion",
    as_json: JsonFlag = False,
) -> None:
    """Tables of a user study from the raters' raw ratings."""
    from gmbench.reporting.table_formats import number
    from gmbench.reporting.user_study import read_ratings, study_rows

    rows = study_rows(read_ratings(ratings, kind), kind)
    if as_json:
        terminal.print_json([row.as_json() for row in rows])
        return
    terminal.print_list(
        ("method", "aspect", "measure", "value", "95 % interval", "ratings", "detail"),
        [
            (r.method, r.aspect, r.measure, number(r.value), f"[{number(r.low)}, {number(r.high)}]", str(r.n), r.detail)
            for r in rows
        ],
        head=5,
    )
