"""The papers' tables as forms: which rows and columns they have, and which of our metrics fills a printed column.

:mod:`gmbench.reporting.paper_table_builder` fills them with numbers measured here;
:mod:`gmbench.reporting.published_tables` prints the papers' own numbers. The two never meet in one table.
"""

import functools
from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from gmbench.errors import InputError
from gmbench.names import closest


class PaperTable(BaseModel):
    """Rows and columns of one published table.

    Attributes:
        name: as asked for with ``--like``.
        source, table, dataset: the paper's.
        figure: in place of the table, of a figure with which no numbers are printed.
        kind: ``comparison``, ``ablation``, ``study``, ``latents`` or ``cost``: jobs of trainings, by run cards.
        about: columns on what drives each method.
        metrics: printed column to our metrics, the preferred one first.
        rows: of an ablation, printed row to our system.
        requires: metrics of which a method must have one to get a row; by default any of the columns'.
        study: kind of the user study.
        emotions: columns of a table of latents.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str
    table: str = ""
    figure: str = ""
    dataset: str
    kind: Literal["comparison", "ablation", "study", "latents", "cost"]
    about: tuple[str, ...] = ()
    metrics: dict[str, tuple[str, ...]] = {}
    rows: dict[str, str] = {}
    requires: tuple[str, ...] = ()
    study: str = ""
    emotions: tuple[str, ...] = ()

    @property
    def system(self) -> str:
        """The paper's method, as it is registered."""
        return self.name.partition("-")[0]

    @property
    def title(self) -> str:
        """Which table it is like."""
        return f"as {self.source} {self.place}, measured"

    @property
    def place(self) -> str:
        """Where it stands in the paper."""
        return f"figure {self.figure}" if self.figure else f"table {self.table}"


@functools.cache
def load_all() -> dict[str, PaperTable]:
    """All forms by name, in the papers' order."""
    text = resources.files("gmbench.reporting").joinpath("paper_tables.yaml").read_text("utf-8")
    return {name: PaperTable(name=name, **fields) for name, fields in yaml.safe_load(text).items()}


def find(name: str) -> PaperTable:
    """A form; raises InputError naming the nearest one."""
    if name not in load_all():
        raise InputError(f"unknown table {name!r}; {closest(name, load_all())}")
    return load_all()[name]
