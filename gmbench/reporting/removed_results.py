"""Take records out of a folder of results; what stays is as if the removed had never been evaluated into it."""

from pathlib import Path

from gmbench.errors import MixedColumnError
from gmbench.evaluation.results import compared_files, records, result_folder
from gmbench.evaluation.results.listing import Choice, Evaluated, chosen, entries
from gmbench.reporting.saved_results import TABLE, write_table


def remove(folder: Path, choice: Choice, dry_run: bool = False) -> list[Evaluated]:
    """Remove the chosen records with their files in ``sources.parquet`` and their rows of ``table.md``.

    Other processes that write into the folder wait, and the other records keep their bytes.

    Args:
        dry_run: only say what would go.

    Returns:
        what was removed.

    Raises:
        InputError: no records in the folder, or none that fit.
    """
    with result_folder.locked(folder):
        table = records.read(folder)
        facts = result_folder.provenance(folder)
        found = entries(table, facts)
        gone = chosen(found, choice)
        if dry_run:
            return gone
        keys = {(entry.dataset, entry.protocol_hash, entry.method) for entry in gone}
        columns = zip(table["dataset"], table["protocol_hash"], table["method"], strict=True)
        kept = table[[key not in keys for key in columns]]
        if kept.empty:
            for name in (records.FILE, compared_files.FILE, TABLE, result_folder.PROVENANCE):
                (folder / name).unlink(missing_ok=True)
            return gone
        records.write(folder / records.FILE, kept)
        compared_files.keep(folder, set(zip(kept["dataset"], kept["method"], strict=True)))
        facts["evaluated"] = [
            e for e in facts.get("evaluated", []) if (e["dataset"], e["protocol_hash"], e["method"]) not in keys
        ]
        result_folder.write_provenance(folder, facts)
        try:
            write_table(folder, kept)
        except MixedColumnError:
            (folder / TABLE).unlink(missing_ok=True)  # there is no one table of what is left
        return gone
