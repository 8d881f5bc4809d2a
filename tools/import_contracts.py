"""A contract for import-linter that finds by itself which packages it is about."""

from grimp import ImportGraph
from importlinter import ContractCheck, fields
from importlinter.contracts.independence import IndependenceContract
from importlinter.domain.imports import ModuleExpression


class IndependentPackages(IndependenceContract):
    """Packages directly below ``container`` do not import each other, not even through others; modules may.

    A new package is covered without being named.
    """

    type_name = "independent_packages"
    modules = fields.SetField(subfield=fields.ModuleExpressionField(), required=False)
    container = fields.ModuleField()

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find the packages, then check as import-linter's ``independence``."""
        children = graph.find_children(self.container.name)  # type: ignore[attr-defined]
        packages = {ModuleExpression(name) for name in children if graph.find_children(name)}
        self.modules = packages  # type: ignore[assignment]  # fields hold values once options are read
        return super().check(graph, verbose)
