"""Memory and time of the client over many pairs of clips whose features are stored, and what the store takes.

``python -m benchmarks.scale [--pairs 10000]``

Tiny clips of two methods; one group of clips is extracted, the features of the others are copies of its. A fifth of the
pairs is measured beside all of them. Memory per pair is what ``gmbench eval`` takes at most, without pages of files,
above what it takes for one clip of each method. The steps are measured in another process, after a run of one group
that imports everything.
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gmbench.commands.app import main as command
from gmbench.corpus.sketch import draw_clip, imitate, write_sketch
from gmbench.evaluation import protocol as protocols
from gmbench.evaluation.comparison import plan_comparison
from gmbench.evaluation.planning import inputs
from gmbench.evaluation.planning.plan import Plan
from gmbench.evaluation.run import evaluate
from gmbench.face.faces import SIDECAR_SUFFIX
from gmbench.reporting.saved_results import save_results
from gmbench.store import Store

METHODS = ("near", "far")


def write_clips(folder: Path, clips: int) -> None:
    """Clips of one second that differ in bytes alone, with landmarks beside them."""
    real = draw_clip(0, 0, seconds=1.0, size=64)
    for name in ("reference", *METHODS):
        write_sketch(folder / "one" / name / "0.mp4", real if name == "reference" else imitate(real, name, 0))
        video, sidecar = (folder / "one" / name / f"0{suffix}" for suffix in (".mp4", SIDECAR_SUFFIX))
        (folder / "all" / name).mkdir(parents=True)
        for n in range(clips):
            mark = f"{n:08d}".encode()
            path = folder / "all" / name / f"{n:06d}.mp4"
            path.write_bytes(video.read_bytes() + (8 + len(mark)).to_bytes(4) + b"free" + mark)
            path.with_name(path.stem + SIDECAR_SUFFIX).write_bytes(sidecar.read_bytes())


def link_first(folder: Path, clips: int) -> str:
    """Name of a folder with the first clips."""
    for name in ("reference", *METHODS):
        target = folder / f"first{clips}" / name
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted((folder / "all" / name).iterdir())[: 2 * clips]:  # each with its landmarks
            if not (target / path.name).exists():
                os.link(path, target / path.name)
    return f"first{clips}"


def make_plan(folder: Path, clips: int | None = None) -> Plan:
    """The plan of the first clips of a folder; its own reader makes the pairs."""
    given = inputs.gather([str(folder / name) for name in METHODS], reference=folder / "reference")
    if clips is not None:
        methods = {name: pairs[:clips] for name, pairs in given.methods.items()}
        given = inputs.Inputs(methods, given.references[:clips], given.dataset)
    return plan_comparison(given, protocols.load("full", landmarks="sidecar", pose="pnp"))


def fill(folder: Path) -> None:
    """Extract one group and store its features under the keys of all others."""
    store = Store(folder / "store")
    evaluate(make_plan(folder / "one"), store.root)
    (made,) = make_plan(folder / "one").groups(store.root, 16)
    features = [store.get(key) for key in made.feature_keys()]
    for group in make_plan(folder / "all").groups(store.root, 16):
        with store.together():
            for key, feature in zip(group.feature_keys(), features, strict=True):
                if feature is not None:
                    store.put(key, feature.arrays, feature.meta)


class Peak:
    """Largest anonymous memory of this process since the start of the watch: pages of files come and go."""

    def __init__(self) -> None:
        self._most = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            self.megabytes()
            time.sleep(0.01)

    def megabytes(self) -> float:
        """So far, MB."""
        status = Path("/proc/self/status").read_text()
        now = next(line for line in status.splitlines() if line.startswith("RssAnon"))
        self._most = max(self._most, int(now.split()[1]) / 1000)
        return self._most


def measure(folder: Path, clips: int) -> dict[str, float]:
    """Seconds and megabytes of each step."""
    result: dict[str, float] = {}
    peak = Peak()

    def step(name: str, call: Callable[[], Any]) -> Any:
        start, before = time.process_time(), peak.megabytes()
        value = call()
        result[f"{name}, CPU s"], result[f"{name}, MB"] = time.process_time() - start, peak.megabytes() - before
        return value

    save_results(folder / "warm", evaluate(warm := make_plan(folder / "one"), folder / "store"), {}, warm)
    plan = step("planning", lambda: make_plan(folder / "all", clips))
    records = step("scoring", lambda: evaluate(plan, folder / "store"))
    if set(records["status"]) - {"ok", "undefined"}:
        raise SystemExit(str(records[records["status"] == "failed"]["reason"].value_counts()))
    step("saving", lambda: save_results(folder / f"out{clips}", records, {}, plan))
    result["records per pair"] = len(records) / len(plan.clips)
    return result


def run_command(folder: Path, clips: str) -> dict[str, float]:
    """Seconds and megabytes of ``gmbench eval`` over the clips of a folder, in this process."""
    peak = Peak()
    videos = [argument for name in METHODS for argument in ("--videos", str(folder / clips / name))]
    reference = ["--reference", str(folder / clips / "reference"), "--landmarks", "sidecar", "--pose", "pnp"]
    where = ["--store", str(folder / "store"), "--out", str(folder / f"command-{clips}")]
    sys.argv = ["gmbench", "eval", *videos, *reference, *where]
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            command()
        except SystemExit as stop:
            if stop.code:
                raise
    return {"command, CPU s": time.process_time(), "command, MB": peak.megabytes()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="where clips and features stay; by default they do not")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        folder, what = arguments.folder, arguments.child
        print(json.dumps(measure(folder, int(what)) if what.isdigit() else run_command(folder, what)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        clips = arguments.pairs // len(METHODS)
        if not (folder / "all").exists():
            write_clips(folder, clips)
            fill(folder)
        files = list((folder / "store").rglob("*.safetensors"))
        print(f"files in the store per clip: {len(files) / (clips * 3 + 3):.2f}")
        print(f"bytes in the store per clip: {sum(path.stat().st_size for path in files) / (clips * 3 + 3):.0f}")
        children = [sys.executable, "-m", "benchmarks.scale", "--folder", str(folder), "--child"]

        def child(what: str) -> dict[str, float]:
            done = subprocess.run([*children, what], stdout=subprocess.PIPE, check=True, text=True)
            return dict(json.loads(done.stdout.splitlines()[-1]))

        least = child("one")["command, MB"]
        sizes = (clips // 5, clips)
        few, many = (child(str(n)) | child(link_first(folder, n)) for n in sizes)
        for n, found in zip(sizes, (few, many), strict=True):
            found["memory per pair, KB"] = 1000 * (found["command, MB"] - least) / (len(METHODS) * n)
        print(f"\ncommand with one clip of each method: {least:.0f} MB")
        print(f"\n| | {2 * (clips // 5)} pairs | {2 * clips} pairs | times |\n|---|---:|---:|---:|")
        for name in many:
            print(f"| {name} | {few[name]:.2f} | {many[name]:.2f} | {many[name] / max(few[name], 1e-9):.1f} |")


if __name__ == "__main__":
    main()
