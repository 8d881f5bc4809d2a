"""Write the code part of ``deps`` in ``dvc.yaml``: what each stage's module imports.

``python -m tools.dvc_deps --write`` rewrites the lines between the markers, ``--check`` says whether they are right.
Data and parameters of a stage stay hand-written. Where most files of a folder are needed, the folder stands there: a
stage that DVC runs once too often finds its results in the store, one that it does not run keeps old numbers.
"""

import argparse
import ast
import functools
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from tools.sources import PACKAGE, ROOT, closure, data_paths, has_code, source_file

DVC_FILE = ROOT / "dvc.yaml"
BEGIN, END = "# code, written by: python -m tools.dvc_deps --write", "# end of code"
CUT: dict[str, frozenset[tuple[str, str]]] = {
    "score": frozenset({("gmbench.reporting.method_cards", "gmbench.methods.registry")}),
}
"""Imports by stage that do not count: of methods, scoring reads the cards alone, and tables read them again."""
NAMES_ONLY = frozenset(
    {
        ("gmbench.config", "gmbench.face.landmarks"), ("gmbench.config", "gmbench.datasets.readers"),
        ("gmbench.config", "gmbench.methods.registry"),
        ("gmbench.pipelines.command_line", "gmbench.params_check"),
    }
)  # fmt: skip
"""Imports of every stage that do not count: the configuration only looks up whether names and keys are known."""
IGNORED_DATA = frozenset({ROOT / PACKAGE / "profiles"})
"""Data that stages do not read: a profile reaches them as ``params.yaml``, whose sections are their ``params``."""
MOST = 0.5
"""Share of a folder's files from which on the folder itself is the dependency."""
_STAGE = re.compile(r"^  (\w+):$")


def code_dependencies(stage: str) -> list[str]:
    """Files and folders, relative to the project, that the module of a stage imports or reads as package data."""
    modules = closure(f"{PACKAGE}.pipelines.{stage}", CUT.get(stage, frozenset()) | NAMES_ONLY)
    files = {source_file(module) for module in modules if has_code(module) and module != PACKAGE}
    data = {path for module in modules for path in data_paths(module)} - IGNORED_DATA
    return _collapsed(files, data)


def _collapsed(files: set[Path], data: set[Path]) -> list[str]:
    """The files, with a folder in place of its files where enough of them are wanted, sorted."""
    wanted = files | {file for path in data for file in _files_below(path)}
    chosen: set[Path] = set()
    for file in wanted:
        folders = [folder for folder in file.parents if _most_wanted(folder, wanted)]
        chosen.add(folders[-1] if folders else file)
    return sorted(path.relative_to(ROOT).as_posix() for path in chosen)


def _most_wanted(folder: Path, wanted: set[Path]) -> bool:
    """Whether a folder below the project holds several files, of which at least the share MOST is wanted."""
    if ROOT not in folder.parents or folder == ROOT / PACKAGE:
        return False
    there = _files_below(folder)
    return len(there) > 1 and len(there & wanted) >= MOST * len(there)


@functools.cache
def _files_below(path: Path) -> frozenset[Path]:
    """A file, or all files of a folder but compiled ones, links to elsewhere and modules without code."""
    if path.is_file():
        return frozenset({path})
    found = (file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return frozenset(file for file in found if file.stat().st_size and not _without_code(file))


def _without_code(file: Path) -> bool:
    """Whether a file is a module that holds a docstring alone."""
    if file.suffix != ".py":
        return False
    return all(isinstance(node, ast.Expr) for node in ast.parse(file.read_text("utf-8")).body)


def rewritten(text: str) -> str:
    """The text of ``dvc.yaml`` with the lines between the markers computed anew.

    Raises:
        ValueError: a stage without markers.
    """
    lines, result, stage, skipping, marked = text.splitlines(), [], "", False, set[str]()
    for line in lines:
        if match := _STAGE.match(line):
            stage = match[1]
        if line.strip() == END:
            skipping = False
        if not skipping:
            result.append(line)
        if line.strip() == BEGIN:
            skipping = True
            marked.add(stage)
            indent = line[: len(line) - len(line.lstrip())]
            result += [f"{indent}- {path}" for path in code_dependencies(stage)]
    if missing := stage_names(lines) - marked:
        raise ValueError(f"{DVC_FILE.name}: stages without the line '{BEGIN}' in deps: {', '.join(sorted(missing))}")
    return "\n".join(result) + "\n"


def stage_names(lines: Iterable[str]) -> set[str]:
    """Names of the stages of ``dvc.yaml``."""
    names, inside = set[str](), False
    for line in lines:
        if line and not line[0].isspace():
            inside = line.startswith("stages:")
        elif inside and (match := _STAGE.match(line)):
            names.add(match[1])
    return names


def main() -> int:
    """Write or check; 1 where the file is not what it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--write", action="store_true", help="rewrite dvc.yaml")
    group.add_argument("--check", action="store_true", help="say whether dvc.yaml agrees with the imports")
    arguments = parser.parse_args()
    text = DVC_FILE.read_text("utf-8")
    right = rewritten(text)
    if arguments.write:
        DVC_FILE.write_text(right, "utf-8")
    elif text != right:
        sys.stderr.write(f"{DVC_FILE}: deps differ from the imports; run python -m tools.dvc_deps --write\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
