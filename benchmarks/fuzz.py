"""Evaluate damaged files: each must end with a value or a reason, and none may touch the others or end the run.

``python -m benchmarks.fuzz [--count 1000] [--seed 0] [--seconds 1200] [--shard I/N] [--keep DIR]``

A damaged media or landmark file is one clip of an evaluation beside an undamaged one, whose numbers must not change; a
media file goes through ``gmbench data check`` too. A damaged table of labels or pairs is an evaluation of its own. Each
evaluation runs in a process of its own, so that a crash of a decoder is seen. Exit code 1 where something else than a
value or a reason came out.
"""

import argparse
import logging
import multiprocessing
import multiprocessing.context
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import psutil

from benchmarks import damage
from benchmarks.damage import KINDS
from gmbench.datasets.check import check
from gmbench.errors import GmbenchError
from gmbench.evaluation import protocol
from gmbench.evaluation.comparison import compare
from gmbench.evaluation.planning.inputs import gather

GROUP = 20
"""Damaged files in one evaluation."""
LIMIT = 120
"""Seconds for one evaluation; a hang counts as a lost run."""
MEMORY = 6 << 30
"""Bytes of address space that one evaluation may take, beside what its process begins with."""
GOOD = ("value", "reason", "refused")
METRICS = {"media": ["psnr", "ssim", "cpbd"], "landmarks": ["m_lmd", "trace_rms"], "table": ["psnr"]}
SOUND = "undamaged"

Found = tuple[str, str]
"""Outcome of one damaged file, and what is to be said of it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--shard", default="0/1", help="I/N: every N-th group from the I-th on")
    parser.add_argument("--keep", type=Path, help="folder for the files that fail")
    arguments = parser.parse_args()
    part, parts = map(int, arguments.shard.split("/"))
    counts = fuzz(arguments.count, arguments.seed, arguments.seconds, part, parts, arguments.keep)
    print(table(counts))
    sys.exit(0 if all(outcome in GOOD for _, outcome in counts) else 1)


def table(counts: Counter[Found]) -> str:
    """Outcomes by kind of file, as markdown."""
    outcomes = [*GOOD, *sorted({outcome for _, outcome in counts} - set(GOOD))]
    rows = [[kind, *(str(counts[kind, outcome]) for outcome in outcomes)] for kind in KINDS]
    rows.append(["all", *(str(sum(counts[kind, outcome] for kind in KINDS)) for outcome in outcomes)])
    lines = [["files", *outcomes], ["---", *["---:"] * len(outcomes)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fuzz(
    count: int, seed: int, seconds: float = 1200, part: int = 0, parts: int = 1, keep: Path | None = None
) -> Counter[Found]:
    """How many damaged files of each kind had each outcome; stops after ``seconds``."""
    began, counts = time.monotonic(), Counter[Found]()
    groups = [(kind, number) for number in range(0, count, GROUP) for kind in (KINDS[number // GROUP % len(KINDS)],)]
    with tempfile.TemporaryDirectory() as name:
        originals = _originals(Path(name) / "originals")
        for kind, number in groups[part::parts]:
            if time.monotonic() - began > seconds:
                print(f"stopped after {seconds:.0f} s, {sum(counts.values())} files", flush=True)
                break
            folder = Path(name) / "group"
            _prepare(folder, originals, kind, range(number, min(number + GROUP, count)), seed)
            for clip, (outcome, why) in _outcomes(folder, kind, Path(name) / "store").items():
                counts[kind, outcome] += 1
                if outcome not in GOOD:
                    print(f"{kind} {clip} (seed {seed}): {outcome}\n{why}\n", flush=True)
                    if keep is not None:
                        shutil.copytree(folder, keep / f"{kind}-{number}", dirs_exist_ok=True)
            shutil.rmtree(folder)
    return counts


def _originals(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for suffix, codecs in damage.FORMATS.items():
        damage.write_clip(folder / f"clip.{suffix}", *codecs)
    np.savez(folder / "clip.landmarks.npz", points=damage.points(), detector="x")
    return folder


def _prepare(folder: Path, originals: Path, kind: str, numbers: range, seed: int) -> None:
    """Folders ``ours`` and ``real`` with an undamaged clip and the damaged ones, or damaged tables beside two clips."""
    names = ["a", "b"] if kind == "table" else [SOUND, *map(str, numbers)]
    for side in ("ours", "real"):
        (folder / side).mkdir(parents=True)
        for name in names:
            shutil.copy(originals / "clip.mp4", folder / side / f"{name}.mp4")
            if kind == "landmarks":
                shutil.copy(originals / "clip.landmarks.npz", folder / side / f"{name}.landmarks.npz")
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        if kind == "media":
            suffix = list(damage.FORMATS)[int(rng.integers(len(damage.FORMATS)))]
            (folder / "ours" / f"{number}.mp4").unlink()
            changed = damage.damaged((originals / f"clip.{suffix}").read_bytes(), rng)
            (folder / "ours" / f"{number}.{suffix}").write_bytes(changed)
        elif kind == "landmarks":
            (folder / "ours" / f"{number}.landmarks.npz").write_bytes(damage.damaged_landmarks(rng))
        else:
            name, text = [("labels", damage.LABELS), ("pairs", damage.PAIRS)][number % 2]
            (folder / f"{number}.{name}.csv").write_bytes(damage.damaged_table(text, rng))


def _outcomes(folder: Path, kind: str, store: Path) -> dict[str, Found]:
    """Outcome of every damaged file of a group; where the process ends or hangs, all of them are lost."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = _processes().Process(target=_evaluate, args=(sender, folder, kind, store))
    process.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(LIMIT) else {str(folder): ("lost", f"no end after {LIMIT} s")}
    except EOFError:
        process.join()
        return {str(folder): ("lost", f"the process ended with {process.exitcode}")}
    finally:
        process.kill()
        process.join()


def _processes() -> multiprocessing.context.ForkServerContext:
    """Where processes come from: copies of this one could wait for ever for a lock that a thread of it holds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.damage", "gmbench.datasets.check", "gmbench.evaluation.comparison"])
    return context


def _evaluate(sender, folder: Path, kind: str, store: Path) -> None:
    most = psutil.Process().memory_info().vms + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    logging.disable()
    try:
        sender.send(_of_tables(folder, store) if kind == "table" else _of_clips(folder, kind, store))
    except BaseException:
        sender.send({str(folder): ("traceback", traceback.format_exc())})


def _of_clips(folder: Path, kind: str, store: Path) -> dict[str, Found]:
    log = folder / "errors.log"
    inputs = gather([str(folder / "ours")], reference=folder / "real")
    how = protocol.load("full", landmarks="sidecar", pose="pnp")
    records = compare(inputs, how, METRICS[kind], store=store, error_log=log).records
    tracebacks = log.read_text() if log.exists() else ""
    clips = sorted(path.stem for path in (folder / "real").glob("*.mp4"))
    result = {clip: _of_clip(records[records["clip"] == clip], clip, tracebacks) for clip in clips}
    first = records[(records["clip"] == SOUND) & (records["metric_name"] == METRICS[kind][0])].iloc[0]
    if result.pop(SOUND)[0] != "value" or first["value"] != (0 if kind == "landmarks" else np.inf):
        result[SOUND] = ("touched", f"{first['value']} {first['reason']}")
    if kind == "media":
        check("folder", folder / "ours", deep=True)
    return result


def _of_clip(records, clip: str, tracebacks: str) -> Found:
    found = [text for text in tracebacks.split("\n\n") if f"/{clip}." in text.split("\n")[0]]
    if found:
        return "unexpected", found[0]
    silent = records[(records["status"] != "ok") & (records["reason"] == "")]
    if not len(records) or len(silent):
        return "no word", str(silent["metric"].tolist())
    return ("value", "") if (records["status"] == "ok").any() else ("reason", "")


def _of_tables(folder: Path, store: Path) -> dict[str, Found]:
    return {path.name: _of_table(path, folder, store) for path in sorted(folder.glob("*.csv"))}


def _of_table(path: Path, folder: Path, store: Path) -> Found:
    moved = path.rename(folder / "table.csv")
    log = folder / "errors.log"
    try:
        if "labels" in path.name:
            inputs = gather([str(folder / "ours")], reference=folder / "real", labels=moved)
        else:
            inputs = gather([], pairs=moved)
        records = compare(inputs, protocol.load("full"), METRICS["table"], store=store, error_log=log).records
    except GmbenchError:
        return "refused", ""
    except Exception:
        return "traceback", traceback.format_exc() + repr(moved.read_bytes())
    if log.exists():
        return "unexpected", log.read_text() + repr(moved.read_bytes())
    return ("value", "") if (records["status"] == "ok").any() else ("reason", "")


if __name__ == "__main__":
    main()
