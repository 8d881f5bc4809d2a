"""The commands ``gmbench records``: what was evaluated into a folder, and how to take it out again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gmbench.commands import terminal
from gmbench.commands.options import DEFAULT_OUT, JsonFlag, split
from gmbench.errors import InputError
from gmbench.evaluation.results.listing import Choice, Evaluated, parse_time

records_app = typer.Typer(help="Records of evaluations: list them, remove some.", no_args_is_help=True)
Datasets = Annotated[list[str] | None, typer.Option("--dataset", help="Of this dataset; repeat for more.")]
Methods = Annotated[list[str] | None, typer.Option("--method", help="Of this method; repeat for more.")]
Protocols = Annotated[list[str] | None, typer.Option("--protocol", help="Of this protocol, by name or hash.")]
Before = Annotated[str | None, typer.Option(help="Evaluated before this date or time (ISO 8601, UTC).")]
After = Annotated[str | None, typer.Option(help="Evaluated at this date or time, or after it.")]


@records_app.command("list")
def records_list(
    records: Annotated[
        list[Path] | None, typer.Option("--records", help="Folder of an evaluation; all of here by default.")
    ] = None,
    dataset: Datasets = None,
    method: Methods = None,
    protocol: Protocols = None,
    before: Before = None,
    after: After = None,
    as_json: JsonFlag = False,
) -> None:
    """What was evaluated: dataset, method, protocol, clips, references and date, by folder."""
    from gmbench.evaluation.results import listing, result_folder
    from gmbench.evaluation.results import records as files
    from gmbench.reporting.found_records import find

    choice = _choice(dataset, method, protocol, before, after)
    found = find(records)
    rows = []
    for part in found.parts:
        facts = result_folder.provenance(part.folder)
        rows += [(str(part.path), entry) for entry in listing.entries(files.read(part.path), facts)]
    meant = set(listing.chosen([entry for _, entry in rows], choice)) if choice else {entry for _, entry in rows}
    rows = [(path, entry) for path, entry in rows if entry in meant]
    if as_json:
        terminal.print_json([{"records_from": path} | entry.as_json() for path, entry in rows])
        return
    for path in dict.fromkeys(path for path, _ in rows):
        _print([entry for where, entry in rows if where == path], path)


@records_app.command("drop")
def records_drop(
    records: Annotated[Path, typer.Option("--records", help="Folder of an evaluation.")] = DEFAULT_OUT,
    dataset: Datasets = None,
    method: Methods = None,
    protocol: Protocols = None,
    before: Before = None,
    after: After = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove records that fit all of what is given; the others, videos and stored features stay as they are."""
    from gmbench.reporting.found_records import check_loose
    from gmbench.reporting.removed_results import remove

    choice = _choice(dataset, method, protocol, before, after)
    if not choice:
        raise InputError(
            "say which records: --dataset, --method, --protocol, --before, --after; see 'gmbench records list'"
        )
    check_loose(records)
    if not records.is_dir():
        raise InputError(f"{records}: no such folder of an evaluation; name it with --records")
    gone = remove(records, choice, dry_run)
    if as_json:
        terminal.print_json([entry.as_json() for entry in gone])
        return
    _print(gone, f"{'would be removed' if dry_run else 'removed'} from {records}")


def _choice(
    dataset: Sequence[str] | None,
    method: Sequence[str] | None,
    protocol: Sequence[str] | None,
    before: str | None,
    after: str | None,
) -> Choice:
    return Choice(
        split(dataset) or [],
        split(method) or [],
        protocol or [],
        parse_time(before, "--before") if before else None,
        parse_time(after, "--after") if after else None,
    )


def _print(found: Sequence[Evaluated], title: str) -> None:
    terminal.line(title, "bold")
    rows = []
    for entry in found:
        protocol = f"{entry.protocol} ({entry.protocol_hash})"
        when = entry.time.removesuffix("+00:00").replace("T", " ") or "–"
        counts = (str(entry.clips), str(entry.metrics))
        rows.append((entry.dataset, entry.method, protocol, *counts, entry.references or "–", when))
    terminal.print_list(("dataset", "method", "protocol", "clips", "metrics", "references", "evaluated"), rows, head=3)
