"""The commands ``gmbench weights``: files of network weights."""

from typing import Annotated

import typer
from rich.table import Table as Grid

from gmbench.commands import terminal
from gmbench.commands.options import JsonFlag
from gmbench.weights import files, manifest
from gmbench.weights.declarations import declared

weights_app = typer.Typer(help="Files of network weights: list, fetch, verify.", no_args_is_help=True)


@weights_app.command("list")
def weights_list(as_json: JsonFlag = False) -> None:
    """Every external file: what it is for, its size and licence, and whether it is here."""
    rows = [files.status(name) for name in manifest()]
    if as_json:
        terminal.print_json(rows)
        return
    grid = Grid("name", "status", "file", "size", "licence", "used by", "package", header_style="bold")
    for row in rows:
        grid.add_row(*(str(row[key]) for key in ("name", "status", "file", "size", "licence", "used_by", "package")))
    terminal.out.print(grid)
    terminal.err.print(f"folder: {files.folder()}", markup=False, highlight=False)


@weights_app.command("fetch")
def weights_fetch(names: list[str], as_json: JsonFlag = False) -> None:
    """Download files into the weights folder and verify them."""
    for name in [declared(name).name for name in names]:
        terminal.err.print(f"{name}: {files.fetch(name)}", markup=False, highlight=False)
    if as_json:
        terminal.print_json([files.status(name) for name in names])


@weights_app.command("verify")
def weights_verify(names: Annotated[list[str] | None, typer.Argument()] = None, as_json: JsonFlag = False) -> None:
    """Compare the files that are here with their sha256; exit with 3 if one is damaged."""
    rows = [files.status(declared(name).name) for name in names or manifest()]
    if as_json:
        terminal.print_json(rows)
    else:
        for row in rows:
            terminal.out.print(
                f"{row['name']:<18}{row['status']:<9}{row.get('reason', '')}", markup=False, highlight=False
            )
    if any(row["status"] == "damaged" or (names and row["status"] == "missing") for row in rows):
        raise typer.Exit(3)
