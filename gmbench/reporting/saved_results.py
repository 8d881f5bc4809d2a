"""Results of a comparison on disk: records, provenance and ``table.md``, with every number aggregated once."""

from pathlib import Path

import pandas as pd

from gmbench.evaluation.planning.plan import Plan
from gmbench.evaluation.results import result_folder
from gmbench.evaluation.results.records import distinct, where
from gmbench.reporting import oracles
from gmbench.reporting.summary import Summary
from gmbench.reporting.table_formats import render
from gmbench.reporting.tables import comparison_table
from gmbench.store import write_atomically

TABLE = "table.md"


def write_table(folder: Path, records: pd.DataFrame) -> list[Summary]:
    """Write the table of a folder's records; returns its numbers, one summary per dataset and protocol."""
    summaries = Summary.per_protocol(records)
    text = "\n".join(render(comparison_table(summary), "md") for summary in summaries)
    write_atomically(folder / TABLE, text.encode())
    return summaries


def save_results(
    folder: Path, new: pd.DataFrame, arguments: dict[str, object], plan: Plan | None, own_reference: bool = False
) -> list[Summary]:
    """Merge new records into a folder, write its table, and return the numbers of the new records by dataset.

    Args:
        folder: methods that were compared into it earlier stay.
        new: records of one protocol.
        arguments: what was asked for, kept as provenance.
        plan: what was compared with what; None where no clips were.
        own_reference: the clip that showed an emotion to a system was the scored clip itself.

    Raises:
        MixedColumnError: a column of the table would mix extractors or weights.
    """
    new = oracles.with_flags(new, plan, own_reference)
    with result_folder.locked(folder):
        merged, named = result_folder.save(folder, new, arguments, plan)
        summaries = write_table(folder, where(merged, merged["protocol_hash"].isin(named["protocol_hash"].unique())))
    return [_part(summary, named) for summary in summaries if summary.rows[0].dataset in set(named["dataset"])]


def _part(summary: Summary, new: pd.DataFrame) -> Summary:
    """The numbers of methods and metrics that new records have."""
    keys = set(distinct(new, ["dataset", "method", "metric"]).itertuples(index=False, name=None))
    rows = tuple(row for row in summary.rows if (row.dataset, row.method, row.metric) in keys)
    if len(rows) == len(summary.rows):
        return summary
    kept = [key in keys for key in summary.records[["dataset", "method", "metric"]].itertuples(index=False, name=None)]
    return Summary(summary.records[kept], rows)
