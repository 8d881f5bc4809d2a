"""The engine: sharing and reuse."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.timing import clip_folders, once
from gmbench import executor
from gmbench.evaluation import protocol as protocols
from gmbench.evaluation.comparison import compare
from gmbench.evaluation.planning import inputs
from gmbench.evaluation.scoring import registry

Run = Callable[..., float]
_numbers = itertools.count()


def runner(folder: Path, clips: Path | None, count: int) -> tuple[Run, list[Path], str]:
    """A function that times an evaluation, the folders of the methods, and the landmark backend."""
    reference, methods, landmarks = clip_folders(folder, clips, count)
    pose = "pnp" if landmarks == "sidecar" else None

    def run(folders: Sequence[Path], names: Sequence[str] | None, store: Path, workers: int = 1) -> float:
        chosen = protocols.load("full", landmarks=landmarks, pose=pose)
        given = inputs.gather([str(f) for f in folders], reference=reference)
        return once(lambda: compare(given, chosen, names or (), store=store, workers=workers))

    return run, methods, landmarks


def measure(folder: Path, clips: Path | None) -> Iterator[tuple[str, str, str]]:
    """Reuse of what is decoded and stored."""
    run, methods, landmarks = runner(folder, clips, count=4)

    def fresh() -> Path:
        return folder / f"store{next(_numbers)}"

    passes = ["psnr", "ssim", "ssim_u7", "cpbd", "m_lmd", "div", "ba_a2m"]
    run(methods[:1], None, fresh())  # compile and import what the first run would
    store = fresh()
    first = run(methods[:1], None, store)
    metric = run(methods[:1], [*(m.name for m in registry.select(None, True)), "div_axis", "ba_m2a_p"], store)
    second = run(methods[1:], None, store)
    apart = sum(run(methods[:1], [name], fresh()) for name in passes)
    together = run(methods[:1], passes, fresh())
    yield f"all default metrics, {landmarks} landmarks", f"{first:.1f} s", ""
    yield "second method on the same references", f"{100 * second / first:.0f} % of the first", "<= 60 %"
    yield "new metric on stored features", f"{100 * metric / first:.1f} % of the first", "<= 2 %"
    yield f"one pass per metric ({len(passes)} metrics)", f"{apart / together:.1f} times decoding once", ""


def measure_workers(folder: Path, clips: Path | None) -> Iterator[tuple[str, str, str]]:
    """Two workers against one, over twelve clips so that the groups can be shared out evenly."""
    work = folder / "workers"
    work.mkdir()
    run, methods, _ = runner(work, clips, count=12)
    run(methods[:1], None, work / "warm")
    start = once(lambda: list(executor.run(_idle, [0, 1], workers=2)))
    one, two = run(methods, None, work / "one"), run(methods, None, work / "two", workers=2)
    yield "one worker, two methods, twelve clips", f"{one:.0f} s", ""
    yield f"two workers, their start ({start:.0f} s) included", f"{one / two:.2f} times one", ""
    yield "two workers once they run", f"{one / (two - start):.2f} times one", ">= 1.7"


def _idle(number: int) -> int:
    """What a worker imports before its first clip."""
    import librosa
    from librosa import onset  # type: ignore[attr-defined]

    return number if onset and librosa else 0
