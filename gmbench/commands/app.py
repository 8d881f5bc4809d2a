"""The command ``gmbench``: all commands wired together, and errors turned into one line and an exit code."""

import logging
import sys
from collections.abc import Callable
from typing import Annotated

import click
import typer
from rich.table import Table as Grid

from gmbench.commands import evaluation, methods, report, terminal
from gmbench.commands.data import corpus_app, data_app, facemodel_app, profile_app
from gmbench.commands.options import JsonFlag
from gmbench.commands.records import records_app
from gmbench.commands.weights import weights_app
from gmbench.errors import GmbenchError
from gmbench.version import version as gmbench_version

app = typer.Typer(
    name="gmbench",
    help="Benchmark suite for audio-driven emotional talking portraits.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "eval": evaluation.evaluate,
    "validate": evaluation.validate,
    "metrics": evaluation.list_metrics,
    "protocols": evaluation.list_protocols,
    "demo": evaluation.demo,
    "table": report.table,
    "compare": report.compare,
    "report": report.report,
    "published": report.published,
    "latents": report.latents,
    "userstudy": report.userstudy,
    "train": methods.train,
    "generate": methods.generate,
    "ablate": methods.ablate,
    "methods": methods.list_methods,
}
for name, function in _COMMANDS.items():
    app.command(name)(function)
for name, group in (
    ("corpus", corpus_app),
    ("data", data_app),
    ("facemodel", facemodel_app),
    ("profile", profile_app),
    ("records", records_app),
    ("weights", weights_app),
):
    app.add_typer(group, name=name)


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and details.")] = False,
) -> None:
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(name)s: %(message)s")
    for name in ("numba", "matplotlib", "PIL", "asyncio", "distributed", "h5py"):
        logging.getLogger(name).setLevel(logging.ERROR)


@app.command()
def doctor(as_json: JsonFlag = False) -> None:
    """What is installed, what is missing, and what that rules out."""
    from gmbench.doctor import examine

    checks = examine()
    if as_json:
        terminal.print_json([check.as_json() for check in checks])
        return
    grid = Grid("what", "state", "detail", "rules out", header_style="bold")
    for check in checks:
        style = None if check.state == "ok" else "yellow"
        grid.add_row(check.what, check.state, check.detail, check.rules_out, style=style)
    terminal.out.print(grid)


@app.command()
def version() -> None:
    """Version of gmbench."""
    terminal.out.print(gmbench_version(), highlight=False)


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
