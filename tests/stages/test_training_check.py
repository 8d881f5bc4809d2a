"""What a training lacks is said in one list, before its first step."""

from collections import namedtuple
from dataclasses import replace

import pandas as pd
import pytest

from gmbench.config import DatasetSection
from gmbench.datasets.manifest import TEST
from gmbench.errors import InputError
from gmbench.methods.interface import PreparedDataset, TrainingNeeds
from gmbench.methods.registry import System
from gmbench.stages import training_check
from gmbench.stages.what_can_be_said import what_can_be_said
from tests.stages.two_clips import rows


class Asking:
    """A method that lacks what it is told, and needs a gigabyte of each."""

    lacks: tuple[str, ...] = ()

    def settings(self, given, ablations=()):
        return {}

    def training_problems(self, dataset, settings):
        yield from self.lacks

    def training_needs(self, dataset, settings):
        return TrainingNeeds(1e9, 1e9)


@pytest.fixture
def check(run_of_two_clips, tmp_path, monkeypatch):
    """Checks a training of a method that lacks things, on a disk and in a memory of some size."""

    def look(*lacks, split="train", disk=5e9, memory=5e9):
        clips = tuple(replace(row, split=split) for row in rows())
        dataset = PreparedDataset("d", clips, *[tmp_path] * 6, {}, tmp_path, None, 64)
        monkeypatch.setattr(Asking, "lacks", lacks)
        monkeypatch.setattr(training_check, "prepared_dataset", lambda *given: dataset)
        monkeypatch.setattr(training_check.System, "parse", lambda name: System("gmtalker", "gmtalker"))
        monkeypatch.setattr(training_check.registry, "create", lambda name: Asking())
        monkeypatch.setattr(training_check, "available_memory", lambda: memory)
        usage = namedtuple("usage", "free")(disk)
        monkeypatch.setattr(training_check.shutil, "disk_usage", lambda path: usage)
        section = run_of_two_clips.params.datasets["d"]
        training_check.require_trainable(run_of_two_clips, section, ["gmtalker"])

    (tmp_path / "models").mkdir(exist_ok=True)
    (tmp_path / "models" / "face_model.npz").touch()
    return look


def test_nothing_is_said_where_nothing_is_missing(check):
    check()


def test_everything_that_is_missing_is_in_one_list(check, tmp_path):
    (tmp_path / "models" / "face_model.npz").unlink()
    with pytest.raises(InputError) as caught:
        check("no matte", disk=5e8, memory=1e9)
    lines = str(caught.value).splitlines()
    assert lines[0] == "nothing was trained, because"
    assert [line.split(":")[0] for line in lines[1:3]] == ["- models/face_model.npz", "- no matte"]
    assert "0.5 GB free on the disk, 1.0 GB are needed" in lines[3]
    assert "1.0 GB of memory available, about 1.7 GB are needed with workers: 1" in lines[4]


def test_one_problem_is_one_line(check):
    with pytest.raises(InputError, match=r"^d: no training clips; see the splits in the manifest$"):
        check("no matte", split=TEST)


def test_the_page_says_what_numbers_can_tell_of_real_people():
    columns = {"metric_name": ["psnr", "sync_c"], "status": ["ok", "failed"]}
    table = pd.DataFrame(columns | {"reason": ["", "syncnet_v2.model is missing: get it"]})
    said = what_can_be_said(table, DatasetSection(kind="folder", root="x"))
    assert "sync_c (syncnet_v2.model is missing)" in said
    assert said.index("psnr") < said.index("ssim (not asked for")
    assert "drawn people" not in said
    assert what_can_be_said(table, DatasetSection(kind="synth", root="x")) == ""
