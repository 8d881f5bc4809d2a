"""The project's modules as files: which module imports which, where each lies, and which data files it reads."""

import ast
import functools
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PACKAGE = "gmbench"


@functools.cache
def import_graph() -> grimp.ImportGraph:
    """All imports between modules of gmbench, those inside functions too."""
    return grimp.build_graph(PACKAGE, cache_dir=None)


def closure(module: str, cut: frozenset[tuple[str, str]] = frozenset()) -> set[str]:
    """A module, what it imports over any number of steps, and the packages that hold them.

    Args:
        module: full name.
        cut: imports (importer, imported) that are not followed; an imported package stands for all inside it.

    Raises:
        ValueError: an import to cut does not exist.
    """
    graph = import_graph()
    dropped = {pair: _imports(pair) for pair in cut}
    if missing := [pair for pair, edges in dropped.items() if not edges]:
        raise ValueError(f"no such import to cut: {missing}")
    skipped = {edge for edges in dropped.values() for edge in edges}
    found, waiting = {module}, [module]
    while waiting:
        importer = waiting.pop()
        if importer == PACKAGE:  # its names are for users: none of them is imported before it is used
            continue
        imported = graph.find_modules_directly_imported_by(importer) | modules_named_in_strings(importer)
        imported = {name for name in imported if (importer, name) not in skipped}
        imported |= {parent for name in {importer, *imported} for parent in _parents(name)}
        waiting += imported - found
        found |= imported
    return found


def _imports(pair: tuple[str, str]) -> set[tuple[str, str]]:
    importer, imported = pair
    names = import_graph().find_modules_directly_imported_by(importer) | modules_named_in_strings(importer)
    return {(importer, name) for name in names if name == imported or name.startswith(f"{imported}.")}


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


@functools.cache
def source_file(module: str) -> Path:
    """File of a module, below :data:`ROOT`, with symbolic links resolved.

    Raises:
        ValueError: there is none.
    """
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate.resolve()
    raise ValueError(f"{module}: no file below {ROOT}")


@functools.cache
def syntax_tree(module: str) -> ast.Module:
    """The parsed source of a module."""
    return ast.parse(source_file(module).read_text("utf-8"))


def has_code(module: str) -> bool:
    """Whether a module does anything: more than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in syntax_tree(module).body)


@functools.cache
def modules_named_in_strings(module: str) -> frozenset[str]:
    """Modules that are imported by name: texts such as ``"gmbench.methods.gmtalker.method:GMTalker"``."""
    known = import_graph().modules
    texts = {
        node.value.partition(":")[0]
        for node in ast.walk(syntax_tree(module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return frozenset(text for text in texts if text.startswith(f"{PACKAGE}.") and text in known)


@functools.cache
def data_paths(module: str) -> frozenset[Path]:
    """Files and folders of package data that a module opens: ``resources.files(package).joinpath(name)``."""
    found = set()
    for node in ast.walk(syntax_tree(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "joinpath":
            package = _package_of(node.func.value, module)
            if package and node.args:
                path = source_file(package).parent / _literal_start(node.args[0])
                found.add(path if path.exists() else path.parent)
    return frozenset(found)


def _package_of(node: ast.expr, module: str) -> str:
    """The package in ``resources.files(package)``, or an empty string."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "files"):
        return ""
    argument = node.args[0]
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    return module  # __package__ in an __init__.py


def _literal_start(node: ast.expr) -> str:
    """What is known of a path: all of a literal, the constant beginning of an f-string."""
    if isinstance(node, ast.JoinedStr):
        first = node.values[0] if node.values else None
        return str(first.value) if isinstance(first, ast.Constant) else ""
    return str(node.value) if isinstance(node, ast.Constant) else ""
