"""What the commands show: the only place that prints. Data on stdout, progress, notes and errors on stderr."""

from gmbench.commands.terminal.lists import print_facts, print_list, print_reasons
from gmbench.commands.terminal.output import error, line, note, prepare, print_json, print_notes, print_warnings
from gmbench.commands.terminal.progress import progress
from gmbench.commands.terminal.tables import print_table, table_text

__all__ = [
    "error", "line", "note", "prepare", "print_facts", "print_json", "print_list", "print_notes", "print_reasons",
    "print_table", "print_warnings", "progress", "table_text",
]  # fmt: skip
