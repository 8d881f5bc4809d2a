"""Print a table of speed and memory beside what a user would do today, all in one run.

``python -m benchmarks [--clips DIR] [--only NAME ...]``

Without ``--clips`` sketched clips with stored landmarks are used; with a folder of real videos (512
pixels is the size the goals speak of) MediaPipe finds the landmarks. Figures are medians; the ratios
of one run can be compared, the seconds of two runs on a shared machine cannot.
"""

import argparse
import os
import platform
import tempfile
from pathlib import Path

from benchmarks import engine, extractors, faces, kernels, memory, methods, page, reading

PARTS = {
    "kernels": kernels.measure,
    "reading": reading.measure,
    "engine": engine.measure,
    "workers": engine.measure_workers,
    "memory": memory.measure,
    "faces": faces.measure,
    "extractors": extractors.measure,
    "suite": extractors.measure_suite,
    "precision": extractors.measure_precision,
    "methods": methods.measure,
    "page": page.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, help="folder of real videos")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    arguments = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| what | measured | goal |\n|---|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only:
            for what, measured, goal in PARTS[name](Path(folder), arguments.clips):
                print(f"| {what} | {measured} | {goal} |", flush=True)


if __name__ == "__main__":
    main()
