import os
import subprocess
import sys

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
