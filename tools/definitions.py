"""Functions, classes and constants of the project by name: what each refers to, and a digest of its meaning."""

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator

from tools.sources import PACKAGE, data_paths, import_graph, syntax_tree

Name = tuple[str, str]
"""Module and name of a definition in it."""
Symbols = dict[str, ast.stmt | Name]
"""What a name of a module stands for: a definition, or a name of another module; its name is empty for the module."""


@functools.cache
def symbols(module: str) -> Symbols:
    """What the names at the top of a module stand for."""
    found: Symbols = {}
    for node in _statements(syntax_tree(module).body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= _imported(node, module)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {n.id: node for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return found


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a module, those inside of ``if``, ``try`` and ``with`` too."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            yield from _statements(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))


def _imported(node: ast.Import | ast.ImportFrom, module: str) -> Symbols:
    """Names that an import makes, of what belongs to the project."""
    known = import_graph().modules
    found: Symbols = {}
    for alias in node.names:
        if isinstance(node, ast.Import):
            if alias.asname and alias.name in known:
                found[alias.asname] = (alias.name, "")
        elif node.module in known:
            inner = f"{node.module}.{alias.name}"
            found[alias.asname or alias.name] = (inner, "") if inner in known else (node.module, alias.name)
    return found


def resolve(name: Name) -> Name | None:
    """Where a name is defined, through any number of imports; None outside of the project or for a module."""
    module, attribute = name
    while attribute:
        if f"{module}.{attribute}" in import_graph().modules:
            return None
        target = symbols(module).get(attribute)
        if not isinstance(target, tuple):
            return (module, attribute) if target is not None else None
        module, attribute = target
    return None


@functools.cache
def references(name: Name) -> frozenset[Name]:
    """Definitions of the project that a definition names."""
    return frozenset(references_of(_node(name), name[0]))


def references_of(node: ast.AST, module: str, around: ast.AST | None = None) -> set[Name]:
    """Definitions of the project that a piece of a module names; imports count that stand in it or ``around`` it."""
    local = dict(symbols(module))
    for inner in ast.walk(around or node):
        if isinstance(inner, ast.Import | ast.ImportFrom):
            local |= _imported(inner, module)
    found: set[Name] = set()
    for inner in ast.walk(node):
        target = _target(inner, local, module)
        resolved = resolve(target) if target else None
        if resolved:
            found.add(resolved)
    return found


def _target(node: ast.AST, local: Symbols, module: str) -> Name | None:
    """What a name, an attribute of a module, or a text ``module:name`` stands for."""
    if isinstance(node, ast.Name) and node.id in local:
        target = local[node.id]
        return target if isinstance(target, tuple) else (module, node.id)
    if isinstance(node, ast.Attribute):
        base = _target(node.value, local, module)
        return (base[0], node.attr) if base and not base[1] else None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        named, _, attribute = node.value.partition(":")
        return (named, attribute) if attribute and named in import_graph().modules else None
    return None


def closure(starts: Iterable[Name], skipped: tuple[str, ...]) -> set[Name]:
    """Definitions that some lead to over any number of steps, without those whose full name begins with ``skipped``."""
    found: set[Name] = set()
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        if name not in found and not ".".join(name).startswith(skipped):
            found.add(name)
            waiting += references(name)
    return found


@functools.cache
def digest(name: Name) -> str:
    """Twelve digits of a definition's meaning: its code without docstrings, annotations, comments and messages.

    A definition that opens package data counts its module's data files too.
    """
    node = _node(name)
    parts = [ast.unparse(ast.fix_missing_locations(_Meaning().visit(_copied(node))))]
    if any(isinstance(inner, ast.Attribute) and inner.attr == "files" for inner in ast.walk(node)):
        files = sorted(file for path in data_paths(name[0]) for file in ([path] if path.is_file() else path.rglob("*")))
        parts += [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _node(name: Name) -> ast.stmt:
    found = symbols(name[0]).get(name[1])
    if not isinstance(found, ast.stmt):
        raise ValueError(f"{name[0]}: defines no {name[1]}; was it renamed? (full names begin with {PACKAGE}.)")
    return found


def _copied(node: ast.stmt) -> ast.stmt:
    return ast.parse(ast.unparse(node)).body[0]


class _Meaning(ast.NodeTransformer):
    """Takes away what does not change results."""

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """An error counts, its message does not."""
        error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(exc=error, cause=None)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """A parameter without its annotation."""
        node.annotation = None
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Anything else: without docstring and annotation of the result."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.body = [child for child in node.body if not _is_text(child)] or [ast.Pass()]
            if not isinstance(node, ast.ClassDef):
                node.returns = None
        return super().generic_visit(node)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
