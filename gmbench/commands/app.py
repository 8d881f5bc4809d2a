"""The command ``gmbench``: all commands wired together, and errors turned into one line and an exit code."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gmbench.commands import data, evaluation, methods, report, setup, terminal
from gmbench.commands.extractors import extractors_app
from gmbench.commands.person import person_app
from gmbench.commands.records import records_app
from gmbench.commands.weights import weights_app
from gmbench.errors import GmbenchError, StoreError
from gmbench.store import disk_full
from gmbench.version import version as gmbench_version

EVALUATE, READ, KNOW, TRAIN, PAPERS = (
    "Evaluate videos", "Read the results", "What there is, what is missing", "Data, training, generation",
    "Papers and user studies",
)  # fmt: skip
_COMMANDS: dict[str, dict[str, Callable[..., None] | typer.Typer]] = {
    EVALUATE: {"eval": evaluation.evaluate, "demo": evaluation.demo, "validate": evaluation.validate},
    READ: {"table": report.table, "compare": report.compare, "report": report.report, "records": records_app},
    KNOW: {
        "metrics": evaluation.list_metrics,
        "protocols": evaluation.list_protocols,
        "methods": methods.list_methods,
        "weights": weights_app,
        "doctor": setup.doctor,
        "version": setup.version,
    },
    TRAIN: {
        "person": person_app,
        "data": data.data_app,
        "profile": data.profile_app,
        "corpus": data.corpus_app,
        "facemodel": data.facemodel_app,
        "train": methods.train,
        "generate": methods.generate,
        "ablate": methods.ablate,
        "extractors": extractors_app,
        "workers": setup.workers,
    },
    PAPERS: {
        "published": report.published,
        "latents": report.latents,
        "studysheet": report.studysheet,
        "userstudy": report.userstudy,
    },
}
INTERRUPTED = 130
_USAGE: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")  # type: ignore[assignment]
"""Base of the errors of wrong options and arguments: of click, or of the copy that newer versions of typer bring."""

app = typer.Typer(
    name="gmbench",
    help="Benchmark suite for audio-driven emotional talking portraits.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel, commands in _COMMANDS.items():
    for name, command in commands.items():
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, rich_help_panel=panel)
        else:
            app.command(name, rich_help_panel=panel)(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        terminal.line(gmbench_version())
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and details; at any place.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Version of gmbench.")
    ] = False,
) -> None:
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(name)s: %(message)s")
    for name in ("numba", "matplotlib", "PIL", "asyncio", "distributed", "h5py"):
        logging.getLogger(name).setLevel(logging.ERROR)


def main() -> None:
    """Entry point: expected errors become one line and an exit code."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    if debug:
        arguments = ["--debug", *(argument for argument in arguments if argument != "--debug")]
    terminal.prepare()
    try:
        status = app(arguments, prog_name="gmbench", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    except typer.Exit as stop:
        status = stop.exit_code
    except _USAGE as error:
        status = _explain_usage(error)
    except GmbenchError as error:
        if debug:
            raise
        terminal.error(str(error))
        status = error.exit_code
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError) and disk_full(error):
            terminal.error(f"{error.filename or Path.cwd()}: disk full; free some space and run again")
            sys.exit(StoreError.exit_code)
        terminal.error(f"unexpected {type(error).__name__}: {error}; the same command with --debug shows where")
        status = 1
    if status == INTERRUPTED:
        terminal.note("stopped; what is finished is kept: run the same command again to go on")
    sys.exit(status if isinstance(status, int) else 0)


def _explain_usage(error: Any) -> int:
    """Print what is wrong with the options or arguments, and where they are explained; the exit code."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "gmbench"
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        message = " ".join(error.format_message().split()).rstrip(".")
        terminal.error(f"{message}; '{command} --help' explains the command")
    return int(error.exit_code)
