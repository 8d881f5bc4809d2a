"""Systems of a dataset train side by side, in one pool of workers."""

import contextlib
import threading
from dataclasses import replace

import pytest
import yaml

from gmbench import config
from gmbench.errors import InputError
from gmbench.stages import training_pool
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.train import training_context
from gmbench.store import Store


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training_pool, "require_trainable", lambda run, section, names: None)
    params = config.Params.model_validate(yaml.safe_load(config.profiles()["smoke"])).model_copy(update={"workers": 2})
    return PipelineRun(params, DatasetPaths("d"), Store(tmp_path / "store"), quiet=True)


@pytest.fixture
def section():
    return config.DatasetSection(kind="folder", root="none")


def test_whole_systems_train_side_by_side_and_before_ablations(run, section, monkeypatch):
    both, order = threading.Barrier(2, timeout=20), []

    def train(run, section, name):
        order.append(name)
        both.wait()  # breaks unless another system trains at the same time

    monkeypatch.setattr(training_pool, "cluster", lambda workers: contextlib.nullcontext("tcp://pool"))
    monkeypatch.setattr(training_pool, "train", train)
    training_pool.train_systems(run, section, ["gmtalker-wo_gm", "gmtalker", "gmtalker-s1", "gmtalker-wo_gm-s1"])
    assert set(order[:2]) == {"gmtalker", "gmtalker-s1"}
    assert set(order[2:]) == {"gmtalker-wo_gm", "gmtalker-wo_gm-s1"}


def test_one_that_fails_is_told_after_the_others_are_done(run, section, monkeypatch):
    done = []

    def train(run, section, name):
        if name == "gmtalker":
            raise InputError("no clips")
        done.append(name)

    monkeypatch.setattr(training_pool, "cluster", lambda workers: contextlib.nullcontext("tcp://pool"))
    monkeypatch.setattr(training_pool, "train", train)
    with pytest.raises(InputError, match="no clips"):
        training_pool.train_systems(run, section, ["gmtalker", "gmtalker-s1"])
    assert done == ["gmtalker-s1"]


def test_one_system_trains_in_this_thread_on_shared_workers(run, section, monkeypatch):
    """Ctrl-C comes there."""
    seen = []
    monkeypatch.setattr(training_pool, "cluster", lambda workers: contextlib.nullcontext("tcp://pool"))
    monkeypatch.setattr(
        training_pool, "train", lambda run, section, name: seen.append((run.scheduler, threading.current_thread()))
    )
    training_pool.train_systems(run, section, ["gmtalker"])
    assert seen == [("tcp://pool", threading.main_thread())]


def test_without_systems_there_is_an_empty_folder_for_later_stages(run, section, tmp_path):
    training_pool.train_systems(run, section, [])
    assert list((tmp_path / "models" / "d").iterdir()) == []


def test_trainings_call_at_once_where_workers_are_shared(run):
    assert not training_context(run).at_once
    assert training_context(replace(run, scheduler="tcp://pool")).at_once
