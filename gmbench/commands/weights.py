"""The commands ``gmbench weights``: files of network weights."""

from typing import Annotated, Any

import typer

from gmbench.commands import terminal
from gmbench.commands.options import JsonFlag
from gmbench.plugins import OWN
from gmbench.weights import files, manifest
from gmbench.weights.declarations import declared

weights_app = typer.Typer(help="Files of network weights: list, fetch, verify.", no_args_is_help=True)


@weights_app.command("list")
def weights_list(as_json: JsonFlag = False) -> None:
    """Every external file: what it is for, whether it is here, its size and licence, and where it is from."""
    rows = [files.status(name) for name in manifest()]
    if as_json:
        terminal.print_json(rows)
        return
    terminal.print_list(
        ("name", "status", "file", "size", "licence", "used by", "from"),
        [
            (row["name"], row["status"], row["file"], _size(row["size"]), row["licence"], row["used_by"], _origin(row))
            for row in rows
        ],
        head=4,
        marked=[row["status"] == "damaged" for row in rows],
    )
    terminal.note(f"folder: {files.folder()}; those of the corpus: {files.trained_folder()}")


def _size(size: int | str) -> str:
    return f"{size / 2**20:.1f} MB" if isinstance(size, int) else size


def _origin(row: dict[str, Any]) -> str:
    """Where a file is from, and the package that declares it unless that is gmbench; of one trained here, on what."""
    if training := row.get("training"):
        held_out = training["held_out"]
        return (
            f"trained here on {training['dataset']}: {held_out['accuracy']:.1f} % right on {held_out['people']}"
            f" held-out people (chance {held_out['chance']:.1f} %)"
        )
    return row["source"] + (f" (declared by {row['package']})" if row["package"] != OWN else "")


@weights_app.command("fetch")
def weights_fetch(names: list[str], as_json: JsonFlag = False) -> None:
    """Download files into the weights folder and verify them."""
    for name in [declared(name).name for name in names]:
        terminal.note(f"{name}: {files.fetch(name)}")
    if as_json:
        terminal.print_json([files.status(name) for name in names])


@weights_app.command("verify")
def weights_verify(names: Annotated[list[str] | None, typer.Argument()] = None, as_json: JsonFlag = False) -> None:
    """Compare the files that are here with their sha256; exit with 3 if one is damaged."""
    rows = [files.status(declared(name).name) for name in names or manifest()]
    if as_json:
        terminal.print_json(rows)
    else:
        header = ("name", "status", "reason")
        terminal.print_list(header, [(row["name"], row["status"], row.get("reason", "")) for row in rows])
    if any(row["status"] == "damaged" or (names and row["status"] == "missing") for row in rows):
        raise typer.Exit(3)
