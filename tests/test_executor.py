import operator
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from distributed import LocalCluster

from gmbench.executor import cluster, connection, kept_workers, run

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
