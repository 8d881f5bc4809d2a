"""The engine: sharing, reuse, workers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.timing import clip_folders, once
from gmbench.evaluation import inputs, plan, registry
from gmbench.evaluation import protocol as protocols
from gmbench.evaluation.run import evaluate


def measure(folder: Path, clips: Path | None) -> Iterator[tuple[str, str, str]]:
    reference, methods, landmarks = clip_folders(folder, clips)
    pose = "pnp" if landmarks == "sidecar" else None
    counter = iter(range(1000))

    def run(folders: Sequence[Path], names: Sequence[str] | None, store: Path, workers: int = 1) -> float:
        chosen = protocols.load("full", landmarks=landmarks, pose=pose)
        given = inputs.gather([str(f) for f in folders], reference=reference)
        planned = plan.make_plan(given.methods, "bench", chosen, registry.select(names, True))
        return once(lambda: evaluate(planned, store, workers))

    def fresh() -> Path:
        return folder / f"store{next(counter)}"

    passes = ["psnr", "ssim", "ssim_u7", "cpbd", "m_lmd", "div", "ba_a2m"]
    run(methods[:1], None, fresh())  # compile and import what the first run would
    store = fresh()
    first = run(methods[:1], None, store)
    metric = run(methods[:1], [*(m.name for m in registry.select(None, True)), "div_axis", "ba_m2a_p"], store)
    second = run(methods[1:], None, store)
    apart = sum(run(methods[:1], [name], fresh()) for name in passes)
    together = run(methods[:1], passes, fresh())
    one, two = run(methods, None, fresh()), run(methods, None, fresh(), workers=2)
    yield f"all default metrics, {landmarks} landmarks", f"{first:.1f} s", ""
    yield "second method on the same references", f"{100 * second / first:.0f} % of the first", "<= 60 %"
    yield "new metric on stored features", f"{100 * metric / first:.1f} % of the first", "<= 2 %"
    yield f"one pass a metric ({len(passes)} metrics)", f"{apart / together:.1f} times decoding once", ""
    yield "two workers, their start included", f"{one / two:.2f} times one", ">= 1.7"
