import os
import sys

import numpy as np
import pytest

from gmbench.commands import app
from gmbench.corpus.sketch import write_sketches
from tests.shared import SHARED, WEIGHTS, missing

SLOW_SECONDS = 10
SLOWEST = ("tests/pipeline/",)
"""Folders that begin first when tests run side by side, so that none of them is left for the end alone."""


def pytest_collection_modifyitems(items):
    """Mark tests that use the browser; to the front the files that take longest, then those with slow tests."""
    for item in items:
        if "browser" in item.fixturenames:
            item.add_marker("browser")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (not item.nodeid.startswith(SLOWEST), item.path not in slow))


def pytest_terminal_summary(terminalreporter):
    """Name the tests that should bear the mark slow, so that ``make test-fast`` stays fast."""
    reports = [report for kind in ("passed", "") for report in terminalreporter.stats.get(kind, ())]
    late = [r for r in reports if getattr(r, "duration", 0) > SLOW_SECONDS and "slow" not in r.keywords]
    for report in sorted(late, key=lambda report: -report.duration):
        terminalreporter.write_line(f"not marked slow: {report.nodeid}, {report.when} took {report.duration:.0f} s")


def pytest_runtest_setup(item):
    """Skip tests of real clips and weights where these are absent."""
    absent = missing(item)
    if absent:
        pytest.skip(f"{SHARED} has no {', '.join(absent)}; GMBENCH_SHARED names the folder of real clips and weights")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's store; weights come from the shared folder."""
    monkeypatch.setenv("GMBENCH_STORE", str(tmp_path_factory.getbasetemp() / "store"))
    monkeypatch.setenv("GMBENCH_WEIGHTS", str(WEIGHTS))


@pytest.fixture(scope="session")
def sketches(tmp_path_factory):
    """Six short sketched clips of three speakers, as reference, near and far."""
    folder = tmp_path_factory.mktemp("sketches")
    write_sketches(folder, speakers=3, clips=2, seconds=2.4, size=128)
    return folder


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the command in this process: exit code, stdout, stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["gmbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return run


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def environment(tmp_path):
    """Environment of a child process with a store of its own."""
    return os.environ | {"GMBENCH_STORE": str(tmp_path / "child-store"), "GMBENCH_WEIGHTS": str(WEIGHTS)}
