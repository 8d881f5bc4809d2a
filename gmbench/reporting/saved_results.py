"""Results of a comparison on disk: records, provenance and ``table.md``, with every number aggregated once."""

from pathlib import Path

import pandas as pd

from gmbench.evaluation.planning.plan import Plan
from gmbench.evaluation.results import result_folder
from gmbench.evaluation.results.aggregate import SummaryRow
from gmbench.reporting.summary import Summary
from gmbench.reporting.table_formats import render
from gmbench.reporting.tables import comparison_table
from gmbench.store import write_atomically

TABLE = "table.md"


def save_results(folder: Path, new: pd.DataFrame, arguments: dict[str, object], plan: Plan | None) -> list[SummaryRow]:
    """Merge new records into a folder, write its table, and return the numbers of the new records.

    Args:
        folder: methods that were compared into it earlier stay.
        new: records of one protocol.
        arguments: what was asked for, kept as provenance.
        plan: what was compared with what; None where no clips were.

    Raises:
        MixedColumnError: a column of the table would mix extractors or weights.
    """
    merged = result_folder.save(folder, new, arguments, plan)
    merged = merged[merged["protocol_hash"].isin(new["protocol_hash"].unique())]
    summaries = [Summary.of(part) for _, part in merged.groupby("dataset", sort=True)]
    text = "\n".join(render(comparison_table(summary), "md") for summary in summaries)
    write_atomically(folder / TABLE, text.encode())
    keys = set(new[["dataset", "method", "metric"]].itertuples(index=False, name=None))
    return [row for s in summaries for row in s.rows if (row.dataset, row.method, row.metric) in keys]
