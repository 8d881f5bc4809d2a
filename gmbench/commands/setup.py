"""Commands about the installation and its processes: ``doctor``, ``version``, ``workers``."""

from typing import Annotated

import typer

from gmbench.commands import terminal
from gmbench.commands.options import JsonFlag
from gmbench.version import version as gmbench_version


def doctor(as_json: JsonFlag = False) -> None:
    """What is installed, what is missing, and what that rules out."""
    from gmbench.doctor import examine

    checks = examine()
    if as_json:
        terminal.print_json([check.as_json() for check in checks])
        return
    terminal.print_list(
        ("what", "state", "detail", "rules out"),
        [(check.what, check.state, check.detail, check.rules_out) for check in checks],
        marked=[check.state != "ok" for check in checks],
    )


def version() -> None:
    """Version of gmbench."""
    terminal.line(gmbench_version())


def workers(
    command: Annotated[list[str], typer.Argument(help="After --: a program and its arguments, such as dvc repro.")],
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; those of params.yaml by default.")] = None,
) -> None:
    """Run a command, such as dvc repro, whose stages share workers that are started once: minutes less.

    To be called in the pipeline's folder. On a GPU every stage starts its own.
    """
    from gmbench import config, devices
    from gmbench.api.workers import run_with_workers

    params = config.load()
    shared = 0 if devices.choose(params.device) != devices.CPU else workers or params.workers
    raise typer.Exit(run_with_workers(command, shared))
