import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gmbench.api.workers import run_with_workers
from gmbench.corpus import drawing
from gmbench.errors import InputError
from gmbench.executor import SCHEDULER, given_scheduler, kept_workers, run
from tools.sources import ROOT

STAGE = """
import os, sys
from pathlib import Path
from gmbench.executor import given_scheduler, kept_workers, run
from tests.api.test_workers import state
os.environ["GMBENCH_SEEN"] = sys.argv[2]
with kept_workers():
    (_, (worker, *known)), (_, (again, *later)) = run(state, [0, 0], scheduler=given_scheduler())
assert worker == again
key = Path(os.environ["DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"])
modes = oct(key.parent.stat().st_mode)[-3:]
Path(sys.argv[1]).write_text(f"{worker} {given_scheduler()[:16]} {modes} {key} {known} {later}")
"""
ELSEWHERE = "tcp://elsewhere:8786"
HEEDING = ("env", "--default-signal=HUP,INT")
"""Before a command: under nohup or in the background it would ignore these, and a shell in it could not trap them."""


def state(_: int) -> tuple[int, int, bool, str]:
    """Of a worker before this call: its number, what it keeps, what it set in torch; and a variable of the caller."""
    before = _kept.cache_info().currsize, torch.are_deterministic_algorithms_enabled()
    drawing.of_a_test = _kept  # a cache that a module of gmbench holds
    _kept(1)
    torch.use_deterministic_algorithms(True)
    return os.getpid(), *before, os.environ["GMBENCH_SEEN"]


@functools.cache
def _kept(value: int) -> int:
    return value


def command(*arguments: "str | Path") -> dict:
    environment = {name: value for name, value in os.environ.items() if name != SCHEDULER}
    return {
        "args": [*HEEDING, sys.executable, "-m", "gmbench", "workers", *map(str, arguments)],
        "cwd": ROOT, "env": environment | {"PYTHONPATH": str(ROOT)},
    }  # fmt: skip


@pytest.mark.slow
def test_stages_share_workers_that_begin_each_as_if_new_and_end_with_the_command(tmp_path):
    stage = tmp_path / "stage.py"
    stage.write_text(STAGE)
    stages = [f"{sys.executable} {stage} {tmp_path / name} {name}" for name in "ab"]
    shell = ["--workers", "1", "--", "bash", "-c", " && ".join([*stages, "exit 3"])]
    done = subprocess.run(**command(*shell), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    first, second = ((tmp_path / name).read_text().split(" ", 4) for name in "ab")
    worker, address, modes, key, known = first
    assert second[:4] == first[:4]
    assert (address, modes) == ("tls://127.0.0.1:", "700")
    assert known == "[0, False, 'a'] [1, True, 'a']"
    assert second[4] == "[0, False, 'b'] [1, True, 'b']"
    assert not Path(key).parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(worker), 0)


@pytest.mark.parametrize(
    ("sent", "to_all", "status"), [(signal.SIGTERM, False, 5), (signal.SIGHUP, False, 6), (signal.SIGINT, True, 7)]
)
def test_a_command_that_is_stopped_ends_in_its_own_way_and_nothing_stays(tmp_path, sent, to_all, status):
    shell = (
        f"trap 'exit 5' TERM; trap 'exit 6' HUP; trap 'exit 7' INT; echo ${{DASK_DISTRIBUTED__COMM__TLS__CA_FILE}} >"
        f" {tmp_path}/key; mv {tmp_path}/key {tmp_path}/begun; while :; do sleep 0.1; done"
    )
    with subprocess.Popen(**command("--workers", "1", "--", "bash", "-c", shell), start_new_session=True) as process:
        while not (tmp_path / "begun").exists():
            assert process.poll() is None
            time.sleep(0.1)
        (os.killpg if to_all else os.kill)(process.pid, sent)
        try:
            assert process.wait(90) == status
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert not Path((tmp_path / "begun").read_text().strip()).exists()


def test_workers_that_are_there_are_used_and_those_not_started_are_named(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(SCHEDULER, ELSEWHERE)
    assert run_with_workers(["sh", "-c", f"echo ${SCHEDULER} > {tmp_path}/said"], 2) == 0
    assert (tmp_path / "said").read_text() == f"{ELSEWHERE}\n"
    assert f"{SCHEDULER}={ELSEWHERE}: its workers are used; 2 of this machine are not started" in caplog.text


def test_workers_of_another_folder_are_not_asked_since_paths_are_relative(tmp_path, monkeypatch):
    monkeypatch.setenv(SCHEDULER, ELSEWHERE)
    assert given_scheduler() == ELSEWHERE
    monkeypatch.setenv("GMBENCH_SCHEDULER_FOLDER", str(tmp_path))
    assert given_scheduler() is None
    monkeypatch.chdir(tmp_path)
    assert given_scheduler() == ELSEWHERE


def test_nothing_to_do_asks_nobody():
    with kept_workers():
        assert list(run(state, [], scheduler=ELSEWHERE)) == []


def test_a_command_that_a_signal_ends_has_the_shells_exit_code():
    assert run_with_workers(["sh", "-c", "kill -TERM $$"], 0) == 143


def test_a_hangup_that_is_ignored_stays_ignored():
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_with_workers(["sh", "-c", f"kill -HUP {os.getpid()}; exit 4"], 0) == 4
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)


INTERRUPTED = """
import os
from gmbench.api.workers import run_with_workers
interrupt = f"kill -INT {os.getpid()}; sleep 0.3; "
once, twice = (f"trap '' INT; {interrupt * count}" for count in (1, 2))
print(run_with_workers(["sh", "-c", f"{once}exit 5"], 0), run_with_workers(["sh", "-c", f"{twice}sleep 30"], 0))
"""


def test_the_second_interrupt_ends_a_command_that_does_not_heed_the_first():
    line = [*HEEDING, sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "5 143\n"


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"no-such-program: cannot be run \(No such file or directory\)"):
        run_with_workers(["no-such-program"], 0)


def test_without_a_command_the_help_is_named():
    done = subprocess.run(**command("--workers", "1"), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "gmbench workers --help" in done.stderr
