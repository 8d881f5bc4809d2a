"""Evaluation on workers that were started by command line, in another folder, without this process's environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from distributed import LocalCluster

from gmbench.errors import ClusterError
from gmbench.evaluation.extraction.worker_needs import WorkerNeeds, worker_needs
from tests.evaluation.helpers import make_plan, run
from tests.evaluation.test_engine import as_bytes


@pytest.fixture
def scheduler(tmp_path):
    """Address of a scheduler with two workers."""
    away = tmp_path / "away"
    away.mkdir()
    with LocalCluster(n_workers=0, dashboard_address=None) as started:
        address = str(started.scheduler_address)
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny", "--no-dashboard"]
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        workers = [
            subprocess.Popen([*command, "--nthreads=1"], cwd=away, env=environment, stderr=subprocess.DEVNULL)
            for _ in range(2)
        ]
        yield address
        for worker in workers:
            worker.kill()
            worker.wait()


@pytest.mark.slow
def test_workers_in_another_folder_get_absolute_paths_and_give_the_same_bytes(
    sketches, tmp_path, monkeypatch, scheduler
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in ("near", "reference"):
        shutil.copytree(sketches / name, name)
    broken = next(Path("near").rglob("*.mp4"))
    broken.write_bytes(broken.read_bytes()[:-2000])
    expected = run(Path(), Path("one"), methods=("near",))
    assert broken.name in "".join(expected["reason"])
    found = run(Path(), Path("two"), methods=("near",), scheduler=scheduler)
    assert as_bytes(found, tmp_path / "b") == as_bytes(expected, tmp_path / "a")
    assert not list((tmp_path / "away").rglob("*.safetensors"))
    assert not list(Path("two").glob(".token-*"))


@pytest.fixture
def planned(sketches, tmp_path):
    plan = make_plan(sketches, methods=("near",), metrics=["psnr"])
    groups = plan.groups(tmp_path, batch=4)
    with worker_needs(groups, plan.keys, tmp_path) as needs:
        yield groups[0], needs


def test_a_worker_that_has_everything_extracts(planned):
    group, needs = planned
    assert not needs(group).failures


def test_a_worker_says_what_it_lacks(planned, tmp_path, monkeypatch):
    group, needs = planned
    for name in ("GMBENCH_WEIGHTS", "GMBENCH_EXTRACTORS"):  # a worker sets them; they are as before afterwards
        monkeypatch.setenv(name, str(tmp_path))
        monkeypatch.delenv(name)
    (path, sha256), *_ = needs.contents.items()

    def lacking(**changes):
        fields = {"contents": needs.contents, "token": needs.token, "weights": {}, "folders": {}} | changes
        with pytest.raises(ClusterError) as caught:
            WorkerNeeds(**fields)(group)
        return str(caught.value)

    assert f"does not see the store {tmp_path}/other" in lacking(token=tmp_path / "other/token")
    assert f"does not see {tmp_path}/no.mp4" in lacking(contents={tmp_path / "no.mp4": sha256})
    assert f"has another file at {path}" in lacking(contents={path: "0" * 64})
    empty = {"GMBENCH_WEIGHTS": tmp_path, "GMBENCH_EXTRACTORS": tmp_path}
    assert "lacks a network: emotion_vgg16" in lacking(weights={"emotion_vgg16": "0" * 64}, folders=empty)
