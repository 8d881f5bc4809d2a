"""The documentation builds as a site without a warning: links and anchors lead somewhere, docstrings render."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gmbench.evaluation.scoring.registry import metrics

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_site_builds_without_warnings(tmp_path):
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings_handlers.python")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "Compare folders of generated videos" in (tmp_path / "api/evaluation.html").read_text("utf-8")
    assert "def " in re.sub("<[^>]+>", "", (tmp_path / "examples/my_metric.html").read_text("utf-8"))
    assert 'href="docs/' not in (tmp_path / "index.html").read_text("utf-8")


def test_the_table_of_files_names_every_default_metric_once():
    """What needs a network file stands in the last line, all else above it."""
    page = (ROOT / "docs" / "planning.md").read_text("utf-8").partition("## Which numbers need which file")[2]
    *without, networks = [
        re.findall(r"`([a-z0-9_]+)`", line.split("|")[2]) for line in page.splitlines() if line[:2] == "| "
    ][1:]
    default = {m.name: set(m.spec.needs) for m in metrics().values() if m.spec.default}
    named = [name for line in without for name in line]
    assert sorted(named + networks) == sorted(default)
    assert set(networks) == {name for name, needs in default.items() if "network" in needs}
    assert set(without[0]) == {
        n for n, needs in default.items() if not needs & {"network", "landmarks", "pose", "audio", "speech"}
    }
    assert f"{len(named)} of\nthe {len(default)} default metrics" in page


def test_batch_scripts_parse_and_refuse_to_run_without_folders():
    script = ROOT / "examples" / "slurm" / "evaluate.sbatch"
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert subprocess.run(["bash", script], check=False, capture_output=True).returncode == 2
    docker = (ROOT / "examples" / "docker" / "Dockerfile").read_text("utf-8")
    readme = (ROOT / "README.md").read_text("utf-8")
    assert all(name in docker and f"`{name}`" in readme for name in ("libgl1", "libglib2.0-0"))


@pytest.mark.slow
def test_the_cluster_script_evaluates_on_processes_of_this_machine(sketches, tmp_path, environment):
    script = ROOT / "examples" / "slurm" / "cluster.py"
    command = [sys.executable, script, sketches / "far", sketches / "reference", "--metrics", "psnr", "--local", "1"]
    command = [*map(str, command), "--out", str(tmp_path / "out")]
    paths = environment | {"PYTHONPATH": os.pathsep.join(sys.path)}
    made = subprocess.run(command, env=paths, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "out" / "records.parquet").is_file()
    assert "psnr" in made.stdout
