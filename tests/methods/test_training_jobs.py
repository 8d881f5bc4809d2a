"""Training jobs: their order, files of needed jobs, what is kept of a stopped run, reports."""

import hashlib
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from gmbench import job_cache
from gmbench.errors import InputError
from gmbench.methods.interface import TrainingContext
from gmbench.methods.training_jobs import TrainingJob, chains, chosen_stages, in_order, train_all
from gmbench.nn.training import TrainReport
from gmbench.store import Store, digest

CALLS: list[str] = []


def _train(argument, folder):
    """Joins its own word and those of the jobs it needs."""
    word, fails = argument
    CALLS.append(word)
    folder.scratch.mkdir(parents=True, exist_ok=True)
    mark = folder.scratch / "checkpoint"
    word += f" after {mark.read_text()}" if mark.exists() else ""
    if fails and not mark.exists():
        mark.write_text("a stop")
        raise InputError("no memory")
    for step in range(1, 51):
        folder.progress(step, 50, {"step": step, "loss": 0.5})
    parts = [path.read_bytes() for path in folder.needed.values()]
    return b"+".join([word.encode(), *parts]), TrainReport(50, 1.0, 3, False, [{"step": 50.0, "loss": 0.5}], 4, 5)


def _job(name, *needs, fails=False):
    return TrainingJob(name, digest(name), _train, (name, fails), needs)


@pytest.fixture
def context(tmp_path):
    CALLS.clear()
    store = Store(tmp_path / "store")
    return TrainingContext(store, lambda function, jobs, priority=0: job_cache.run_jobs(function, jobs, store))


def test_jobs_wait_for_what_they_need():
    jobs = in_order([_job("last", "b", "a"), _job("a"), _job("b", "a"), _job("c")])
    names = [job.name for job in jobs]
    assert sorted(names) == ["a", "b", "c", "last"]
    assert names.index("a") < names.index("b") < names.index("last")
    assert chains(jobs) == {"a": 2, "b": 1, "c": 0, "last": 0}
    with pytest.raises(ValueError, match=r"'a': \['missing'\]"):
        in_order([_job("a", "missing")])
    with pytest.raises(ValueError, match=r"need each other: (a, b, a|b, a, b)"):
        in_order([_job("a", "b"), _job("b", "a")])


def test_a_chain_does_not_wait_for_jobs_that_it_does_not_need(context, tmp_path):
    """``last`` needs ``b`` alone, and ``slow`` ends only after it began; long chains go first, then in order."""
    begun, priorities = threading.Event(), {}

    def run_jobs(function, jobs, priority=0):
        name = jobs[0].name
        priorities[name] = priority
        if name == "last":
            begun.set()
        if name == "slow":
            assert begun.wait(20)
        return job_cache.run_jobs(function, jobs, context.store)

    at_once = TrainingContext(context.store, run_jobs, at_once=True)
    train_all([_job("slow", "a"), _job("a"), _job("b", "a"), _job("last", "b")], tmp_path / "out", "synth", at_once)
    assert (tmp_path / "out" / "last.safetensors").read_bytes() == b"last+b+a"
    assert priorities["a"] > priorities["b"] > priorities["slow"] > priorities["last"]


def test_a_longer_chain_goes_before_any_number_of_jobs_in_front_of_it(context, tmp_path):
    priorities = {}

    def run_jobs(function, jobs, priority=0):
        priorities[jobs[0].name] = priority
        return job_cache.run_jobs(function, jobs, context.store)

    others = [_job(f"alone{n}") for n in range(12)]
    jobs = [*others, _job("first"), _job("second", "first")]
    train_all(jobs, tmp_path / "out", "synth", replace(context, run_jobs=run_jobs))
    assert min(priorities, key=lambda name: priorities[name]) == "second"
    assert max(priorities, key=lambda name: priorities[name]) == "first"


def test_what_is_no_network_is_needed_and_not_written(context, tmp_path):
    drawn = replace(_job("drawn"), network=False)
    report = train_all([drawn, _job("a", "drawn")], tmp_path / "out", "synth", context)
    assert [part.name for part in report.parts] == ["a"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {"a.safetensors": b"a+drawn"}


def test_others_go_on_side_by_side_where_one_fails(context, tmp_path):
    jobs = [_job("a", fails=True), _job("b", "a"), _job("c")]
    with pytest.raises(InputError, match="training of a failed: no memory"):
        train_all(jobs, tmp_path / "out", "synth", replace(context, at_once=True))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["c.safetensors"]


def test_files_reports_and_progress(context, tmp_path, capsys):
    report = train_all([_job("a"), _job("b", "a")], tmp_path / "out", "synth", context)
    assert (tmp_path / "out" / "b.safetensors").read_bytes() == b"b+a"
    assert [part.name for part in report.parts] == ["a", "b"]
    part = report.parts[1]
    assert (part.steps, part.parameters, part.frozen_parameters, part.peak_memory) == (50, 3, 4, 5)
    assert part.sha256 == hashlib.sha256(b"b+a").hexdigest()
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("synth b:")] == ["synth b: 50/50 loss 0.5"]
    assert not list(Path(context.store.root / "training").iterdir())


def test_what_is_in_the_store_is_not_trained_again(context, tmp_path):
    first = train_all([_job("a")], tmp_path / "one", "synth", context)
    second = train_all([_job("a"), _job("b", "a")], tmp_path / "two", "synth", context)
    assert CALLS == ["a", "b"]
    assert second.parts[0] == first.parts[0]


def test_a_stopped_job_finds_its_scratch_folder(context, tmp_path):
    jobs = [_job("a"), _job("b", "a", fails=True)]
    with pytest.raises(InputError, match="training of b failed: no memory"):
        train_all(jobs, tmp_path / "out", "synth", context)
    assert (tmp_path / "out" / "a.safetensors").read_bytes() == b"a"
    train_all(jobs, tmp_path / "out", "synth", context)
    assert (tmp_path / "out" / "b.safetensors").read_bytes() == b"b after a stop+a"
    assert CALLS == ["a", "b", "b"]


def test_stages_are_checked_and_ordered():
    assert chosen_stages("echo", ("lips", "eyes", "pose"), ["pose", "lips"]) == ("lips", "pose")
    assert chosen_stages("echo", ("lips", "eyes"), None) == ("lips", "eyes")
    with pytest.raises(InputError, match="echo has no stage 'nose'; it has lips, eyes and pose"):
        chosen_stages("echo", ("lips", "eyes", "pose"), ["nose"])


def test_a_report_of_an_older_store_has_no_memory(context, tmp_path):
    import numpy as np

    older = {"steps": 5, "seconds": 1.0, "parameters": 3, "stopped_early": False, "log": []}
    context.store.put(digest("a"), {"file": np.frombuffer(b"old", np.uint8)}, {"report": older})
    part = train_all([_job("a")], tmp_path / "out", "synth", context).parts[0]
    assert (part.steps, part.frozen_parameters, part.peak_memory) == (5, 0, None)
