"""Commands that read records: tables, comparisons, the report page, published figures, latents, user studies."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table as Grid

from gmbench.commands import terminal
from gmbench.commands.options import JsonFlag, MetricNames, split
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
Format = Annotated[str, typer.Option("--format", help="md, csv, latex or html.")]


def table(
    records: Records = None,
    form: Format = "md",
    metrics: MetricNames = None,
    dataset: OneDataset = None,
    protocol: OneProtocol = None,
    like: Annotated[
        str | None, typer.Option(help="A paper's table as the form, for example gmtalker-1; 'list' names them.")
    ] = None,
    ranks: Annotated[bool, typer.Option("--ranks", help="Methods ranked over all metrics instead.")] = False,
    ratings: Annotated[Path | None, typer.Option(help="CSV of a user study, for --like of one.")] = None,
    latents: Annotated[list[Path] | None, typer.Option(help="NPZ of embeddings, for --like dicetalk-5.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Comparison table from records; best values are bold only where a paired test supports it."""
    from gmbench.evaluation.results import result_folder
    from gmbench.evaluation.scoring.registry import present_keys
    from gmbench.reporting import paper_tables, table_formats, tables
    from gmbench.reporting import ranks as ranking
    from gmbench.reporting.summary import Summary

    if like == "list":
        for paper in paper_tables.load_all().values():
            terminal.out.print(f"{paper.name:<20}{paper.source} {paper.place}, {paper.dataset}", highlight=False)
        return
    if like is not None:
        sys.stdout.write(table_formats.render(_paper_table(like, records, dataset, protocol, ratings, latents), form))
        return
    names = split(metrics) or []
    chosen = result_folder.only(gather(records).records, dataset, protocol, None if ranks else names, several=True)
    summaries = Summary.per_protocol(chosen)
    if as_json:
        terminal.print_json([row.as_json() for summary in summaries for row in summary.rows])
        return
    keys = present_keys(names, list(chosen["metric"].unique())) if names else []
    built = []
    for summary in summaries:
        if ranks:
            ranked = ranking.ranks(summary)
            built.append(ranking.as_table(ranked, f"{tables.caption(summary)}: ranks over all metrics"))
        else:
            built.append(tables.comparison_table(summary, [key for key in keys if key in summary.keys]))
    sys.stdout.write("\n".join(table_formats.render(one, form) for one in built))


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
    from gmbench.reporting.latents import read_latents
    from gmbench.reporting.user_study import read_ratings, study_rows

    form = paper_tables.find(name)
    if form.kind == "study":
        return paper_table_builder.build(
            form, study=study_rows(read_ratings(ratings, form.study), form.study) if ratings else None
        )
    if form.kind == "latents":
        return paper_table_builder.build(form, spaces=[(path.stem, read_latents(path)) for path in latents or []])
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
            _pipeline_page(found, clips, out, force)
        else:
            page.from_folders([part.path for part in found.parts], out, title, clips, force)
        terminal.err.print(f"page: {out / 'index.html'}", markup=False, highlight=False)
    if serve:
        with page.server(out, port) as server:
            terminal.err.print(f"http://127.0.0.1:{server.server_port}/ until Ctrl-C", markup=False, highlight=False)
            server.serve_forever()


def _newer(page: Path, found: "FoundRecords") -> bool:
    """Whether a page was written after all records that it would show."""
    from gmbench.evaluation.results.records import FILE

    files = [part.path / FILE if part.path.is_dir() else part.path for part in found.parts]
    return page.is_file() and all(file.stat().st_mtime <= page.stat().st_mtime for file in files)


def _pipeline_page(found: "FoundRecords", clips: str, out: Path, force: bool) -> None:
    from gmbench.commands.methods import project
    from gmbench.reporting.found_records import LOOSE
    from gmbench.stages.paths import REPORTS
    from gmbench.stages.report import report as write

    if out.resolve() == REPORTS.resolve() and not force:
        raise InputError(f"{out}: the pipeline's own page, which dvc repro writes; choose another --out, or --force")
    write(project(None), out, clips, [part for part in found.parts if part.path == LOOSE], force)


def published(
    source: Annotated[str | None, typer.Option(help="Paper.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Dataset.")] = None,
    like: Annotated[str | None, typer.Option(help="One table, for example gmtalker-1.")] = None,
    form: Format = "md",
    as_json: JsonFlag = False,
) -> None:
    """The papers' tables as printed, with footnotes on what is wrong in them."""
    from dataclasses import asdict

    from gmbench.reporting import paper_tables, table_formats
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
    sys.stdout.write("\n".join(table_formats.render(printed.as_table(table), form) for table in selected))


def compare(
    first: str,
    second: str,
    records: Records = None,
    metrics: MetricNames = None,
    dataset: OneDataset = None,
    protocol: OneProtocol = None,
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
    groups = list(dict.fromkeys((c.dataset, c.protocol_hash, c.protocol) for c in comparisons))
    for name, sha, kind in groups:
        title = f"{name}, protocol {kind} ({sha})" if len(groups) > 1 else None
        grid = Grid(
            "metric", f"{first} - {second}", "95 % interval", "p (Holm)", "clips", "better", header_style="bold",
            title=title,
        )  # fmt: skip
        own = [c for c in comparisons if (c.dataset, c.protocol_hash) == (name, sha)]
        for c in own:
            grid.add_row(*pairs.cells(c))
        terminal.out.print(grid)
        for remark in pairs.remarks(own):
            terminal.out.print(remark, highlight=False, markup=False)
        terminal.out.print(f"better: p < 0.05 in {pairs.HOW}", highlight=False, markup=False)


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
    grid = Grid("measure", "emotion", "value", "identities", header_style="bold")
    for row in rows:
        grid.add_row(row["measure"], row["emotion"], number(row["value"]), str(row["identities"]))
    terminal.out.print(grid)


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
    grid = Grid("method", "aspect", "measure", "value", "95 % interval", "ratings", "detail", header_style="bold")
    for row in rows:
        interval = f"[{number(row.low)}, {number(row.high)}]"
        grid.add_row(row.method, row.aspect, row.measure, number(row.value), interval, str(row.n), row.detail)
    terminal.out.print(grid)
