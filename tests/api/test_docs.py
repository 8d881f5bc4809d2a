"""The examples of docs/python.md and of docstrings, and the notebook, run as they are printed."""

import doctest
import importlib
import warnings
from pathlib import Path

import pandas as pd
import pytest

from gmbench.errors import GmbenchWarning

ROOT = Path(__file__).parents[2]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


@pytest.fixture(scope="module")
def folder(sketches, tmp_path_factory):
    """A folder with the sketched clips where ``gmbench demo`` puts them."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "demo-out").mkdir()
    (folder / "demo-out" / "clips").symlink_to(sketches)
    return folder


@pytest.mark.slow
def test_examples_of_the_page(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with warnings.catch_warnings(), pd.option_context("display.width", 120):
        warnings.simplefilter("error", GmbenchWarning)
        failed, tried = doctest.testfile(str(ROOT / "docs" / "python.md"), module_relative=False, optionflags=OPTIONS,
                                         encoding="utf-8")  # fmt: skip
    assert tried > 20
    assert failed == 0


@pytest.mark.parametrize("name", ["array_metrics", "listing"])
def test_examples_of_docstrings(name):
    failed, tried = doctest.testmod(importlib.import_module(f"gmbench.api.{name}"), optionflags=OPTIONS)
    assert tried > 0
    assert failed == 0


@pytest.mark.slow
def test_the_notebook_runs_from_front_to_back(folder, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(ROOT / "examples" / "evaluate_two_folders.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "strip the outputs before you commit the notebook"
    done = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    shown = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert not [output for output in shown if output.output_type == "stream" and output.name == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert any("near" in output.get("data", {}).get("text/html", "") for output in shown)
