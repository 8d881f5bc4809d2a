import os
import subprocess
import sys
from pathlib import Path

import pytest

from gmbench.api.workers import run_with_workers
from gmbench.errors import InputError
from gmbench.executor import SCHEDULER

STAGE = """
import os, sys
from pathlib import Path
from gmbench.executor import run
from tests.api.test_workers import process
scheduler = os.environ["GMBENCH_SCHEDULER"]
found = {worker for _, worker in run(process, range(4), scheduler=scheduler)}
key = Path(os.environ["DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"])
modes = oct(key.parent.stat().st_mode)[-3:]
Path(sys.argv[1]).write_text(f"{sorted(found)} {scheduler[:16]} {modes} {key}")
"""
ROOT = Path(__file__).parents[2]


def process(_: int) -> int:
    return os.getpid()


def gmbench(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "gmbench", "workers", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != SCHEDULER}
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment | {"PYTHONPATH": str(ROOT)}
    )


def test_stages_of_a_command_share_its_workers_which_end_with_it(tmp_path):
    stage = tmp_path / "stage.py"
    stage.write_text(STAGE)
    shell = f"{sys.executable} {stage} {tmp_path / 'a'} && {sys.executable} {stage} {tmp_path / 'b'} && exit 3"
    done = gmbench("--workers", "1", "--", "bash", "-c", shell)
    assert (done.returncode, done.stderr) == (3, "")
    first, second = (tmp_path / name for name in "ab")
    assert first.read_text() == second.read_text()
    workers, address, modes, key = first.read_text().split(" ")
    assert (address, modes) == ("tls://127.0.0.1:", "700")
    assert not Path(key).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(workers.strip("[]")), 0)


def test_workers_that_are_there_are_used(tmp_path, monkeypatch):
    monkeypatch.setenv(SCHEDULER, "tcp://elsewhere:8786")
    assert run_with_workers(["sh", "-c", f"echo ${SCHEDULER} > {tmp_path}/said"], 2) == 0
    assert (tmp_path / "said").read_text() == "tcp://elsewhere:8786\n"


def test_a_command_that_a_signal_ends_has_the_shells_exit_code(monkeypatch):
    monkeypatch.setenv(SCHEDULER, "tcp://elsewhere:8786")
    assert run_with_workers(["sh", "-c", "kill -TERM $$"], 2) == 143


def test_a_program_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv(SCHEDULER, "tcp://elsewhere:8786")
    with pytest.raises(InputError, match=r"no-such-program: cannot be run \(No such file or directory\)"):
        run_with_workers(["no-such-program"], 1)


def test_without_a_command_the_help_is_named():
    done = gmbench("--workers", "1")
    assert done.returncode == 2
    assert "gmbench workers --help" in done.stderr
