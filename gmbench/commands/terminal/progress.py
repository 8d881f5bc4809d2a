"""How far a command is, on stderr: a bar in a terminal, a line a minute elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from gmbench.commands.terminal.output import err, note
from gmbench.progress import ProgressLines, rate, ticking


class Report(Protocol):
    """Called with parts done and all parts; before they are known, ``phase`` says what happens."""

    def __call__(self, done: int, total: int) -> None:
        """So many parts are done."""
        ...

    def phase(self, text: str) -> None:
        """What happens now."""
        ...


@contextmanager
def progress(what: str, unit: str = "clips") -> Iterator[Report]:
    """Show how far something is, with the rate and the time that is left."""
    if not err.is_terminal:
        with ticking(ProgressLines(what, note, unit)) as lines:
            yield lines
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), _Known(lambda task: f"{task.completed:.0f}/{task.total:.0f}"),
        _Known(lambda task: rate(speed, unit) if (speed := task.finished_speed or task.speed) else ""),
        TimeElapsedColumn(), TimeRemainingColumn(elapsed_when_finished=True),
    )  # fmt: skip
    with Progress(*columns, console=err, transient=True) as bar:
        yield _Bar(bar, what)


class _Bar:
    """The bar of one piece of work."""

    def __init__(self, bar: Progress, what: str) -> None:
        self._bar, self._what = bar, what
        self._task = bar.add_task(what, total=None)

    def __call__(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total, description=self._what)

    def phase(self, text: str) -> None:
        self._bar.update(self._task, description=f"{self._what}: {text}")


class _Known(ProgressColumn):
    """A text about a task, once it is known how many parts there are."""

    def __init__(self, text: Callable[[Task], str]) -> None:
        super().__init__()
        self._text = text

    def render(self, task: Task) -> Text:
        """The text, or nothing."""
        return Text(self._text(task) if task.total is not None else "")
