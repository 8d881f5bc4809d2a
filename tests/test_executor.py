import gc
import operator
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask
import psutil
import pytest
from distributed import Client, LocalCluster, Security, get_worker

from gmbench.errors import ClusterError
from gmbench.executor import cluster, connection, kept_workers, pool, remote, run
from gmbench.executor.remote import ROOT, code_digest

CODE = """
from gmbench.executor import one_thread
with one_thread():
    import torch
    torch.randn(500, 500) @ torch.randn(500, 500)
    print(torch.get_num_threads())
"""


def test_torch_imported_later_has_one_thread_too():
    environment = {name: value for name, value in os.environ.items() if "_NUM_THREADS" not in name}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


RESTORED = """
import cv2, threading, torch
from threadpoolctl import threadpool_info
from gmbench.executor import one_thread
def counts():
    return torch.get_num_threads(), cv2.getNumThreads(), sorted(pool["num_threads"] for pool in threadpool_info())
torch.set_num_threads(3); cv2.setNumThreads(3)
before = counts()
assert 1 not in before[:2], before
with one_thread():
    with one_thread():
        assert set([*counts()[:2], *counts()[2]]) == {1}, counts()
    assert set([*counts()[:2], *counts()[2]]) == {1}, counts()
    def other():
        with one_thread():
            found.append(counts()[1])
    found = []
    thread = threading.Thread(target=other); thread.start(); thread.join()
    assert found == [1] and cv2.getNumThreads() == 1
assert counts() == before, (counts(), before)
try:
    with one_thread():
        raise KeyError
except KeyError:
    assert counts() == before
"""


def test_one_thread_leaves_the_process_as_it_was():
    environment = {name: value for name, value in os.environ.items() if "_NUM_THREADS" not in name}
    subprocess.run([sys.executable, "-c", RESTORED], env=environment, check=True)


LATER = """
import os
from gmbench.executor import one_thread
with one_thread():
    import torch
    assert torch.get_num_threads() == 1
print(torch.get_num_threads(), os.environ["OMP_NUM_THREADS"])
"""


def test_torch_imported_inside_has_its_threads_afterwards():
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", LATER], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "2"]


def test_threads_share_the_workers_of_one_cluster():
    def call(start):
        return sorted(run(operator.neg, range(start, start + 3), 2, address))

    with cluster(2) as address, ThreadPoolExecutor(6) as threads:
        found = list(threads.map(call, range(6)))
    assert found == [[(n, -start - n) for n in range(3)] for start in range(6)]


def process(_):
    time.sleep(0.2)
    return os.getpid()


def test_kept_workers_serve_every_call_until_more_are_wanted():
    def served(count, workers):
        return {found for _, found in run(process, range(count), workers)}

    with kept_workers():
        assert served(1, 1) == {os.getpid()}
        first = served(4, 2)
        assert len(first) == 2
        assert served(4, 2) == first
        assert not served(6, 3) & first
    assert not served(4, 2) & first


def test_threads_share_one_connection_to_a_running_scheduler():
    def call(start):
        return sorted(run(operator.neg, range(start, start + 3), 2, str(started.scheduler_address)))

    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as started,
        connection(str(started.scheduler_address)),
        ThreadPoolExecutor(6) as threads,
    ):
        found = list(threads.map(call, range(6)))
    assert found == [[(n, -(start + n)) for n in range(3)] for start in range(6)]


def _note(task):
    path, text, seconds = task
    time.sleep(seconds)
    with path.open("a") as file:
        file.write(text)
    return text


def test_tasks_of_higher_priority_begin_first(tmp_path):
    path = tmp_path / "order"
    tasks = [(path, "a", 4.0), (path, "b", 0), (path, "c", 0)]
    with cluster(1) as scheduler, ThreadPoolExecutor(2) as threads:
        first = threads.submit(lambda: list(run(_note, tasks, 1, scheduler)))
        time.sleep(1)  # "a" is at work now
        second = threads.submit(lambda: list(run(_note, [(path, "d", 0)], 1, scheduler, priority=1)))
        first.result()
        second.result()
    assert path.read_text().index("d") < path.read_text().index("c")


def test_a_task_goes_to_the_first_worker_that_is_free(tmp_path):
    path = tmp_path / "order"

    def submit(text, seconds, priority):
        call = threads.submit(lambda: list(run(_note, [(path, text, seconds)], 1, scheduler, priority)))
        time.sleep(0.3)
        return call

    with cluster(2) as scheduler, ThreadPoolExecutor(8) as threads:
        list(run(_note, [(path, "", 0)] * 2, 1, scheduler))
        calls = [submit("a", 6.0, 0), submit("b", 2.0, 0)]  # both workers are at work now
        calls += [submit(text, 0.1, priority) for text, priority in (("c", -2), ("d", -1), ("e", 1), ("f", -1))]
        for call in calls:
            call.result()
    assert path.read_text() == "bedfca"


def _listening():
    """Where this process and its children wait for connections."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    found = [c for p in processes for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    return {(c.laddr.ip, c.laddr.port) for c in found}


def test_ctrl_c_leaves_threads_that_wait():
    waits, ended = threading.Event(), []

    def interrupted():
        with pool(1) as threads:
            threads.submit(waits.wait, 20)
            threads.submit(ended.append, "never begun")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not waits.is_set(), "the end did not wait"
    waits.set()
    with pool(1) as threads:
        threads.submit(ended.append, "done")
    assert ended == ["done"]


def test_own_workers_listen_on_the_loopback_alone_and_refuse_strangers():
    before = _listening()
    with cluster(1) as address:
        assert list(run(operator.neg, [1, 2], 1, address)) in ([(0, -1), (1, -2)], [(1, -2), (0, -1)])
        opened = _listening() - before
        assert len(opened) >= 3  # scheduler, worker, nanny
        assert {ip for ip, _ in opened} == {"127.0.0.1"}
        for security in (Security(), Security.temporary()):
            for stranger in (address, address.replace("tls", "tcp")):
                with pytest.raises((OSError, TypeError, RuntimeError)), Client(stranger, timeout=5, security=security):
                    pass
                gc.collect()  # a client that failed and is collected while the next one starts waits for it for ever
        answers = {port: _answer(port) for _, port in opened}
        assert set(answers.values()) <= {b"", b"HTTP/1.1 404 Not Found"}, answers


def _answer(port):
    """First line of what a port says to one who asks for a page, without credentials."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connected:
        connected.sendall(b"GET /info/main/workers.html HTTP/1.1\r\nHost: here\r\n\r\n")
        try:
            return connected.recv(1000).split(b"\r\n")[0]
        except ConnectionResetError:
            return b""


def test_spilled_results_of_own_workers_lie_in_a_folder_closed_to_others():
    def modes(path):
        return [stat.S_IMODE(parent.stat().st_mode) for parent in path.parents]

    with cluster(1) as address:
        ((_, folder),) = run(_local_folder, [None], 1, address)
        assert 0o700 in modes(folder)


def _local_folder(_):
    return Path(get_worker().local_directory)


@pytest.fixture
def scheduler():
    with LocalCluster(n_workers=0, dashboard_address=None) as started:
        yield str(started.scheduler_address)


def test_a_scheduler_without_workers_is_waited_for_and_said(scheduler, caplog):
    began = time.monotonic()
    with (
        pytest.raises(ClusterError, match=r"no workers after 1 s; start some with 'dask worker tcp"),
        connection(scheduler, 1),
    ):
        pass
    assert 1 <= time.monotonic() - began < 5
    assert "has no workers; waiting for one" in caplog.text


def test_workers_that_come_later_are_used_and_those_that_leave_are_missed(caplog):
    with LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=None) as started:
        address = str(started.scheduler_address)
        threading.Timer(0.5, started.scale, [1]).start()
        with connection(address, 60):
            assert list(run(operator.neg, [1], scheduler=address)) == [(0, -1)]
        threading.Timer(1.5, started.scale, [0]).start()
        with connection(address, 1), pytest.raises(ClusterError, match="no workers after 1 s"):
            list(run(time.sleep, [60], scheduler=address))


def _worker(scheduler, folder, **environment):
    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_worker",
        scheduler,
        "--no-nanny",
        "--no-dashboard",
        "--nthreads=1",
    ]
    return subprocess.Popen(
        command, cwd=folder, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def test_a_worker_of_another_gmbench_is_named(scheduler, tmp_path):
    shutil.copytree(ROOT, tmp_path / "gmbench", ignore=shutil.ignore_patterns("__pycache__", "*.nbc", "*.nbi"))
    (tmp_path / "gmbench" / "later.py").touch()
    worker = _worker(scheduler, tmp_path, PYTHONPATH=str(tmp_path))
    try:
        with (
            pytest.raises(ClusterError, match=rf"worker tcp://\S+ on \S+, in {tmp_path}, .*gmbench"),
            connection(scheduler, 30),
        ):
            pass
    finally:
        worker.kill()


def test_the_digest_of_the_code_tells_other_code(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("1")
    monkeypatch.setattr(remote, "ROOT", tmp_path)
    found = []
    for text in ("1", "2", "1"):
        (tmp_path / "a.py").write_text(text)
        code_digest.cache_clear()
        found.append(code_digest())
    code_digest.cache_clear()
    assert found[0] == found[2] != found[1]


def test_tls_files_of_an_outside_scheduler_come_from_the_configuration_of_dask(tmp_path):
    own = Security.temporary()
    files = {"ca-file": own.tls_ca_file, "client.cert": own.tls_client_cert, "client.key": own.tls_client_key}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, security=own) as started:
        address = str(started.scheduler_address)
        with pytest.raises(ClusterError, match=r"distributed\.comm\.tls\.ca-file"), connection(address, 5):
            pass
        with Client(started):
            assert list(run(operator.neg, [2], scheduler=address)) == [(0, -2)]
        with dask.config.set({f"distributed.comm.tls.{name}": str(tmp_path / name) for name in files}):
            assert list(run(operator.neg, [1], scheduler=address)) == [(0, -1)]
