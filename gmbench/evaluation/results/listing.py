"""What a folder's records hold, and which of it somebody means: by dataset, method, protocol and date."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from gmbench.errors import InputError
from gmbench.evaluation.results.records import WHOLE_SET
from gmbench.evaluation.results.references import contents
from gmbench.names import closest
from gmbench.store import digest


@dataclass(frozen=True)
class Evaluated:
    """The records of one method on one dataset under one protocol.

    Attributes:
        clips, metrics, records: how many.
        references: short digest of the references' pictures, by clip; empty where there are none.
        time: of the last evaluation, ISO 8601 in UTC; empty where the folder does not say.
    """

    dataset: str
    method: str
    protocol: str
    protocol_hash: str
    clips: int
    metrics: int
    records: int
    references: str
    time: str

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


@dataclass(frozen=True)
class Choice:
    """Which records are meant; what is left empty chooses all.

    Attributes:
        protocols: names or hashes.
        before, after: of the time of evaluation; records of unknown time are not meant then.
    """

    datasets: Sequence[str] = ()
    methods: Sequence[str] = ()
    protocols: Sequence[str] = ()
    before: datetime | None = None
    after: datetime | None = None

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return any((self.datasets, self.methods, self.protocols, self.before, self.after))

    def means(self, entry: Evaluated) -> bool:
        """Whether an entry is among the chosen."""
        return (
            (not self.datasets or entry.dataset in self.datasets)
            and (not self.methods or entry.method in self.methods)
            and (not self.protocols or bool({entry.protocol, entry.protocol_hash} & set(self.protocols)))
            and self._in_time(entry.time)
        )

    def _in_time(self, time: str) -> bool:
        if self.before is None and self.after is None:
            return True
        if not time:
            return False
        when = datetime.fromisoformat(time)
        return (self.before is None or when < self.before) and (self.after is None or when >= self.after)


def entries(records: pd.DataFrame, facts: dict[str, Any]) -> list[Evaluated]:
    """The contents of records, by dataset, protocol and method; ``facts`` are the folder's provenance."""
    times = {(e["dataset"], e["protocol_hash"], e["method"]): e["time"] for e in facts.get("evaluated", [])}
    result = []
    for (dataset, sha, method), part in records.groupby(["dataset", "protocol_hash", "method"], sort=True):
        behind = sorted((clip, sorted(shas)) for clip, shas in contents(part).items())
        result.append(
            Evaluated(
                str(dataset), str(method), str(part["protocol"].iloc[0]), str(sha),
                int(part.loc[part["clip"] != WHOLE_SET, "clip"].nunique()), int(part["metric"].nunique()), len(part),
                digest(*behind)[:8] if behind else "", times.get((dataset, sha, method), ""),
            )
        )  # fmt: skip
    return result


def chosen(found: Sequence[Evaluated], choice: Choice) -> list[Evaluated]:
    """The entries that are meant.

    Raises:
        InputError: a name that no entry has, with the nearest; or nothing fits all that was asked.
    """
    for what, given, known in (
        ("dataset", choice.datasets, {e.dataset for e in found}),
        ("method", choice.methods, {e.method for e in found}),
        ("protocol", choice.protocols, {e.protocol for e in found} | {e.protocol_hash for e in found}),
    ):
        for name in given:
            if name not in known:
                raise InputError(f"no records of {what} {name!r}; {closest(name, known)}")
    meant = [entry for entry in found if choice.means(entry)]
    if not meant:
        raise InputError("no records fit all of this; 'gmbench records list' shows what is there")
    return meant


def parse_time(text: str, option: str) -> datetime:
    """A date or time as ISO 8601, in UTC unless it says otherwise; raises InputError for another form."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option}: expected a date such as 2026-11-26 or 2026-11-26T14:30, got {text!r}") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
