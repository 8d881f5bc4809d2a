"""Two processes that train together, as ``accelerate launch`` starts them: one network, one log, the same end."""

import json
import os
import socket
import subprocess
import sys

import pytest

SCRIPT = """
import json, os, sys, time
from pathlib import Path
import numpy as np, torch
torch.set_num_threads(1)
from gmbench.methods.pictures import new_array
from gmbench.nn.training import TrainConfig, TrainState, train

folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
torch.manual_seed(1)
network = torch.nn.Linear(4, 1)
pictures = new_array(folder / "pictures", "frames", np.uint8, (64, 32, 32, 3))
pictures[:] = 7
seen = []

def update(step, updater):
    x = torch.randn(8, 4)
    seen.append(float(x[0, 0]))
    time.sleep(0.02 * (1 + 2 * rank))  # the second process is slower, and sees its budget spent sooner
    loss = (network(x) - x.sum(1, keepdim=True)).pow(2).mean()
    updater.backward_and_step(loss, "adam", 1.0)
    return {"loss": loss}

optimisers = {"adam": torch.optim.Adam(network.parameters(), 0.02)}
state = TrainState(torch.nn.ModuleDict({"net": network}), optimisers, update)
lines = []
report = train(state, TrainConfig(1000, seed=3, log_every=2, budget=1.0, checkpoint_every=0), folder,
               lambda step, steps, row: lines.append(step))
weights = [float(x) for p in network.parameters() for x in p.flatten()]
facts = {"steps": report.steps, "stopped": report.stopped_early, "weights": weights, "log": report.log,
         "lines": len(lines), "first": seen[0], "pictures": int(pictures.sum())}
(folder / f"{rank}.json").write_text(json.dumps(facts))
"""


@pytest.mark.slow
def test_both_stop_at_one_step_with_the_same_weights(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = {
        "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1", "LOCAL_WORLD_SIZE": "2",
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path)],
            env=os.environ | together | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, stderr=subprocess.PIPE, text=True,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    for name in ("steps", "stopped", "weights", "log", "pictures"):
        assert first[name] == second[name], name
    assert first["stopped"]
    assert first["steps"] < 1000
    assert first["first"] != second["first"]  # each draws a batch of its own
    assert (first["lines"] > 0, second["lines"]) == (True, 0)
    assert (tmp_path / "checkpoint.pt").exists()
