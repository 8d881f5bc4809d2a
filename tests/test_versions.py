"""Version constants are raised, or a person has decided that they need not be, when the code behind them changes."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tools import versions
from tools.sources import ROOT


def test_no_version_constant_was_forgotten():
    now = versions.covered()
    assert "\n".join(versions.problems(json.loads(versions.LOCK.read_text()), versions.content(now), now)) == ""


def test_every_version_constant_has_a_name_of_its_own_and_covers_code():
    names = [name for _, name in versions.version_constants()]
    assert len(names) == len(set(names)) > 10
    assert [name for name, version in versions.covered().items() if not version.definitions] == []


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of the sources whose lock file is right."""
    folder = tmp_path_factory.mktemp("copied")
    for name in ("gmbench", "metrics", "pipelines", "tools"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    assert _run(folder, "--update").returncode == 0
    return folder


def _run(folder, option):
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = (sys.executable, "-m", "tools.versions", option)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _edited(folder, file, *changes):
    """Messages of the check after changes (before, after) of a file, which is put back."""
    path = folder / file
    text = changed = path.read_text()
    for before, after in changes:
        assert before in changed
        changed = changed.replace(before, after)
    path.write_text(changed)
    try:
        return _run(folder, "--check").stderr
    finally:
        path.write_text(text)


@pytest.mark.slow
def test_comments_docstrings_and_messages_do_not_count(copied):
    changes = (
        ('"""The square of a clip', '"""Square of a clip'),
        ("    path, section =", "    # why\n    path, section ="),
    )
    assert _edited(copied, "gmbench/stages/crop.py", *changes) == ""
    assert _edited(copied, "gmbench/media/files.py", ("no such file", "not there")) == ""


@pytest.mark.slow
def test_changed_code_without_a_new_version_is_named_with_the_remedy(copied):
    said = _edited(copied, "gmbench/stages/crop.py", ("crf=12", "crf=14"))
    assert "CROP_VERSION = 2" in said
    assert "gmbench.stages.crop.cut_clip" in said
    assert "python -m tools.versions --update" in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_code_far_below_is_followed(copied):
    said = _edited(copied, "gmbench/media/shape.py", ("_WIDEST_PIXEL = 4", "_WIDEST_PIXEL = 5"))
    for name in ("MEDIA_VERSION", "CROP_VERSION", "LANDMARKS_VERSION", "FIT_VERSION", "EXTRACTOR_TRAINING_VERSION"):
        assert name in said
    assert "SPEECH_FEATURES_VERSION" not in said


@pytest.mark.slow
def test_a_raised_constant_asks_for_a_new_lock_alone(copied):
    change = (("crf=12", "crf=14"), ("CROP_VERSION = 2", "CROP_VERSION = 3"))
    said = _edited(copied, "gmbench/stages/crop.py", *change)
    assert "went from 2 to 3" in said
    assert said.count("\n") == 1
