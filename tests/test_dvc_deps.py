"""Stages depend on the code that they import, and on little else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools import dvc_deps
from tools.sources import ROOT

DECODING = {
    "corpus", "train_extractors", "ingest", "crop", "landmarks", "fit", "audio", "train", "generate", "extract",
}  # fmt: skip
"""Stages that read or write video or sound."""


def _stages() -> dict[str, list[str]]:
    """Dependencies by stage as DVC reads them."""
    stages = yaml.safe_load(dvc_deps.DVC_FILE.read_text())["stages"]
    return {name: [str(path) for path in (stage.get("do") or stage)["deps"]] for name, stage in stages.items()}


def _changed_by(file: str) -> set[str]:
    """Stages that DVC runs again after a change of a file."""
    parents = {file, *(str(parent) for parent in Path(file).parents)}
    return {stage for stage, paths in _stages().items() if parents & set(paths)}


def test_dvc_yaml_agrees_with_the_imports():
    text = dvc_deps.DVC_FILE.read_text()
    assert dvc_deps.rewritten(text) == text, "run python -m tools.dvc_deps --write"


def test_a_stage_is_found_by_its_name():
    for stage in _stages():
        assert (ROOT / "pipelines" / f"{stage}.py").is_file()
        assert (ROOT / "gmbench" / "stages" / f"{stage}.py").is_file()


def test_a_change_of_the_decoder_changes_every_stage_that_decodes():
    assert _changed_by("gmbench/media/video.py") >= DECODING


@pytest.mark.parametrize(
    ("file", "reached", "spared"),
    [
        ("gmbench/reporting/page/assets/style.css", {"report"}, set(_stages()) - {"report"}),
        ("gmbench/commands/app.py", set(), set(_stages())),
        ("gmbench/profiles/demo.yaml", set(), set(_stages())),
        ("gmbench/nn/flow.py", {"train", "generate"}, {"crop", "fit", "extract", "score", "train_extractors"}),
        ("gmbench/face/data/points68.csv", {"landmarks", "extract", "train_extractors"}, {"corpus", "audio", "ingest"}),
        ("gmbench/stages/fit.py", {"fit", "render", "train"}, {"crop", "landmarks", "audio", "extract", "score"}),
        ("metrics/sync.py", {"extract", "score", "train_extractors"}, {"corpus", "crop", "fit", "train", "generate"}),
    ],
)
def test_a_change_reaches_the_stages_that_use_it_and_spares_others(file, reached, spared):
    assert (ROOT / file).exists()
    assert _changed_by(file) >= reached
    assert not _changed_by(file) & spared


def _check_in_copy(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = (sys.executable, "-m", "tools.dvc_deps", "--check")
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_new_import_is_noticed_where_dvc_yaml_was_not_written_anew(tmp_path):
    for name in ("gmbench", "metrics", "pipelines", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(dvc_deps.DVC_FILE, tmp_path)
    assert _check_in_copy(tmp_path).returncode == 0
    module = tmp_path / "gmbench" / "stages" / "audio.py"
    module.write_text(module.read_text() + "\n\ndef _later():\n    import gmbench.nn.flow\n")
    done = _check_in_copy(tmp_path)
    assert done.returncode == 1
    assert "run python -m tools.dvc_deps --write" in done.stderr
