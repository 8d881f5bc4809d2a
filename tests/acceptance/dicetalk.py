"""DICE-Talk's acceptance tests, in a project whose dataset is prepared: ``make acceptance METHOD=dicetalk``.

Prints the table of the networks that come with gmbench where ``params.yaml`` says ``source: shipped``; else trains the
embedder at each seed in the project's store, with ``--videos`` the denoiser too, which takes hours of a core. With
``--videos`` it says what bank, classifier and videos must show, with a figure of test 13; with ``--ablations`` also the
systems of table 4, which must be trained like the whole one: ``source: train``. Tests 7 to 10 are unit tests
(tests/nn/test_diffusion.py, tests/methods/dicetalk).
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gmbench.api.generation import project
from gmbench.datasets.manifest import TEST
from gmbench.executor import one_thread
from gmbench.methods.dicetalk.jobs import fit_all
from gmbench.methods.dicetalk.method import DiceTalk
from gmbench.methods.dicetalk.prior_reader import load_priors
from gmbench.methods.dicetalk.settings import STAGES
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.track_people import draw_clips
from gmbench.methods.tracks import read_clips
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.train import training_context
from tests.acceptance.command import corpus, costs, finish, loaded, options, train
from tests.acceptance.dice_bank import BankMeasures
from tests.acceptance.dice_clips import dice_clips
from tests.acceptance.dice_condition import ConditionMeasures
from tests.acceptance.dice_embedder import EmbedderMeasures, held_out_people
from tests.acceptance.dice_videos import VideoMeasures, guidance, table_4
from tests.acceptance.guidance_figure import draw_guidance
from tests.acceptance.judges import Judges
from tests.acceptance.outcome import Outcome

TABLE_4 = ("wo_bank", "wo_discrimination", "learnable_ca", "wo_prior")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every threshold is met at every seed."""
    parser = options("dicetalk", __doc__)
    parser.add_argument("--videos", action="store_true", help="train the denoiser too and judge its videos")
    parser.add_argument("--ablations", action="store_true", help="with videos of table 4's ablations")
    given = parser.parse_args(arguments)
    run = project(None)
    dataset = corpus(run)
    shipped = DiceTalk().settings(run.params.systems.get("dicetalk", {})).source == "shipped"
    by_seed = []
    with one_thread():
        for seed in range(1 if shipped else given.seeds):
            out = given.out / f"s{seed}"
            whole, found = embedder_outcomes(run, dataset, seed, out, given.videos or given.ablations)
            if given.videos or given.ablations:
                ablations = TABLE_4 if given.ablations else ()
                found += video_outcomes(run, dataset, whole, seed, out, ablations)
            by_seed.append(sorted(found, key=lambda row: row.test))
    return finish([by_seed], given.out)


def embedder_outcomes(
    run: PipelineRun, dataset: PreparedDataset, seed: int, out: Path, whole: bool
) -> tuple[EmbedderMeasures, list[Outcome]]:
    """Tests 1 to 5 of one seed, beside those of an untrained embedder, and what was trained."""
    report = train(DiceTalk(), run, dataset, seed, out, stages=STAGES if whole else ("embedder",))
    settings = DiceTalk().settings(run.params.systems.get("dicetalk", {}))
    e, rows, pair = settings.embedder, dataset.split("train"), str(dataset.audio_facts["pair"])
    learnt = [*read_clips(dataset, rows), *draw_clips(e.track_people, rows, e.window[1], pair, e.track_takes)]
    test = held_out_people(e.drawn_people, pair)
    trained = EmbedderMeasures(load_priors(out / "embedder.safetensors")[0], learnt, test)
    once = e.model_copy(update={"train": e.train.model_copy(update={"steps": 1, "rate": 1e-9}), "sound_again": None})
    none = settings.model_copy(update={"embedder": once, "source": "train"})
    seed_of = run.params.seed + seed
    fit_all(dataset, dataset, out / "untrained", none, seed_of, training_context(run), ("embedder",))
    untrained = EmbedderMeasures(load_priors(out / "untrained" / "embedder.safetensors")[0], learnt, test)
    measured = (*untrained.clusters(), *untrained.accuracies())
    found = [*trained.outcomes(), *costs(0, report)]
    return trained, found + [replace(row, what=f"untrained: {row.what}", holds=None) for row in measured]


def video_outcomes(
    run: PipelineRun, dataset: PreparedDataset, embedder: EmbedderMeasures, seed: int, out: Path,
    ablations: Sequence[str],
) -> list[Outcome]:  # fmt: skip
    """Tests 6 and 11 to 18 of one seed."""
    method, judges = loaded(DiceTalk(), out), Judges()
    clips = dice_clips(run, method, dataset.split(TEST))
    labels = [clip.emotion for clip in embedder.train]
    bank = method.generator.sampler.network.bank
    measured = BankMeasures(bank, embedder.learnt, labels, embedder.means["both"], embedder.emotions, embedder.people)
    videos = VideoMeasures(method, clips, judges)
    swept = videos.guidance()
    draw_guidance(swept, out / "guidance")
    numbers = {"full by label": videos.table_4("label"), "full": videos.table_4("reference")}
    for name in ablations:
        train(DiceTalk(), run, dataset, seed, out / name, [name])
        other = loaded(DiceTalk(), out / name)
        numbers[name] = VideoMeasures(other, dice_clips(run, other, dataset.split(TEST)), judges).table_4("reference")
    return [
        *measured.outcomes(), *ConditionMeasures(method, clips).outcomes(), *videos.outcomes(), *guidance(swept),
        *table_4(numbers),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
