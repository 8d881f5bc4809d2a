"""DICE-Talk's acceptance tests, in a project whose dataset is prepared: ``make acceptance METHOD=dicetalk``.

Trains the embedder of ``params.yaml`` at each seed in the project's store and prints the table; with ``--videos`` the
denoiser too, which takes hours of a core, and what its videos must show. Tests 7 to 10 are unit tests
(tests/nn/test_diffusion.py, tests/methods/dicetalk).
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gmbench.api.generation import project
from gmbench.executor import one_thread
from gmbench.methods.dicetalk.jobs import fit_all
from gmbench.methods.dicetalk.method import DiceTalk
from gmbench.methods.dicetalk.prior_reader import load_priors
from gmbench.methods.dicetalk.settings import STAGES
from gmbench.methods.interface import TrainingContext
from gmbench.methods.track_people import draw_clips
from gmbench.methods.tracks import read_clips
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.train import prepared_dataset
from tests.acceptance.dice_embedder import EmbedderMeasures, held_out_people
from tests.acceptance.dice_videos import VideoMeasures
from tests.acceptance.outcome import Outcome, table


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every threshold is met at every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--videos", action="store_true", help="train the denoiser too and judge its videos")
    parser.add_argument("--out", type=Path, default=Path("acceptance/dicetalk"))
    given = parser.parse_args(arguments)
    run = project(None)
    with one_thread():
        by_seed = [outcomes(run, seed, given.out / f"s{seed}", given.videos) for seed in range(given.seeds)]
    text = table(by_seed)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "table.md").write_text(text + "\n")
    sys.stdout.write(text + "\n")
    return int(any(row.holds is False for rows in by_seed for row in rows))


def outcomes(run: PipelineRun, seed: int, out: Path, videos: bool) -> list[Outcome]:
    """All measures of one seed, beside those of an untrained embedder."""
    dataset = prepared_dataset(run, run.paths, run.params.datasets[run.paths.dataset])
    rows, pair = dataset.split("train"), str(dataset.audio_facts["pair"])
    method = DiceTalk()
    settings = method.settings(run.params.systems.get("dicetalk", {}))
    context = TrainingContext(run.store, run.run_jobs)
    fit_all(dataset, dataset, out, settings, run.params.seed + seed, context, STAGES if videos else ("embedder",))
    e = settings.embedder
    learnt = [*read_clips(dataset, rows), *draw_clips(e.track_people, rows, e.window[1], pair, e.track_takes)]
    test = held_out_people(e.track_people, pair)
    found = EmbedderMeasures(load_priors(out / "embedder.safetensors")[0], learnt, test).outcomes()
    once = e.model_copy(update={"train": e.train.model_copy(update={"steps": 1, "rate": 1e-9})})
    none = settings.model_copy(update={"embedder": once})
    fit_all(dataset, dataset, out / "untrained", none, run.params.seed + seed, context, ("embedder",))
    untrained = EmbedderMeasures(load_priors(out / "untrained" / "embedder.safetensors")[0], learnt, test)
    measured = (*untrained.clusters(), *untrained.accuracies())
    found += [replace(row, what=f"untrained: {row.what}", holds=None) for row in measured]
    if videos:
        method.load(out)
        found += VideoMeasures(method, run, dataset.split("test")).outcomes()
    return found


if __name__ == "__main__":
    sys.exit(main())
