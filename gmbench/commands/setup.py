"""Commands about the installation: ``doctor``, ``version``."""

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
