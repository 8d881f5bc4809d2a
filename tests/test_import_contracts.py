"""The contract that finds the methods by itself: what it forbids and what it lets pass."""

import grimp

from tools.import_contracts import IndependentPackages


def _kept(*imports: tuple[str, str]) -> bool:
    graph = grimp.ImportGraph()
    for name in ("", ".card", ".tracks", ".echo", ".echo.method", ".echo.parts", ".mirror", ".mirror.method"):
        graph.add_module(f"house.methods{name}")
    for importer, imported in imports:
        graph.add_import(importer=f"house.methods.{importer}", imported=f"house.methods.{imported}")
    options = {"name": "methods", "container": "house.methods"}
    contract = IndependentPackages("methods", {"root_packages": ["house"]}, options)
    return contract.check(graph, verbose=False).kept


def test_methods_may_share_modules_and_import_their_own_parts():
    assert _kept(("echo.method", "tracks"), ("mirror.method", "tracks"), ("echo.method", "echo.parts"))


def test_a_method_may_not_import_another_one_directly_or_through_a_shared_module():
    assert not _kept(("mirror.method", "echo.parts"))
    assert not _kept(("mirror.method", "card"), ("card", "echo.method"))
