"""FlowVQTalker's acceptance tests, in a project whose dataset is prepared: ``make acceptance METHOD=flowvqtalker``.

Trains the flows of ``params.yaml`` at each seed in the project's store, also with permuted labels and as ablations, and
the pictures' networks at the first ones, and prints the table. Tests 2, 3, 8, 12 and 17 are unit tests (tests/nn,
tests/methods/flowvqtalker).
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gmbench.api.generation import project
from gmbench.corpus.truth import Truth
from gmbench.datasets import manifest
from gmbench.emotions import SUITE_ORDER
from gmbench.executor import one_thread
from gmbench.methods.flowvqtalker.card import CARD
from gmbench.methods.flowvqtalker.coefficient_generator import CoefficientGenerator
from gmbench.methods.flowvqtalker.drawing import Painter
from gmbench.methods.flowvqtalker.method import FlowVQTalker
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.tracks import read_clips
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.requests import RequestPlanner, build_request, source_clip
from tests.acceptance.command import corpus, finish, options, train
from tests.acceptance.flow_measures import Clips, FlowMeasures, track_people
from tests.acceptance.outcome import Outcome, at_most
from tests.acceptance.picture_measures import PictureClipRequest, PictureMeasures, read_frames

PEOPLE = 40
FLOWS, PICTURES = ("expflow", "poseflow"), ("codebook", "vqig")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every threshold is met at every seed."""
    parser = options("flowvqtalker", __doc__)
    parser.add_argument("--picture-seeds", type=int, default=1, help="of the pictures' networks, which take longer")
    given = parser.parse_args(arguments)
    run = project(None)
    dataset = corpus(run)
    clips = held_out(dataset)
    with one_thread():
        by_seed = [outcomes(run, dataset, clips, seed, given.out / f"s{seed}") for seed in range(given.seeds)]
        pictured = [picture_outcomes(run, dataset, seed, given.out / f"s{seed}") for seed in range(given.picture_seeds)]
    return finish([by_seed, pictured], given.out)


def held_out(dataset: PreparedDataset) -> Clips:
    """Test clips with their source images' tracks, and people without pictures."""
    test = read_clips(dataset, dataset.split("test"))
    rows = {row.clip_id: row for row in dataset.rows}
    sources = [read_clips(dataset, [source_clip(rows[clip.clip_id], dataset.rows)])[0] for clip in test]
    return Clips(test, sources, track_people(PEOPLE, str(dataset.audio_facts["pair"])))


def outcomes(run: PipelineRun, dataset: PreparedDataset, clips: Clips, seed: int, out: Path) -> list[Outcome]:
    """All measures of one seed."""
    whole = measures(run, dataset, clips, seed, out / "full")
    rows = whole.outcomes()
    permuted = measures(run, permuted_labels(dataset, seed), clips, seed, out / "permuted", track_people=0)
    rows.append(at_most(4, "likeliest label, trained on permuted labels", permuted.likelihood_order().value, 0.2))
    gaussian = measures(run, dataset, clips, seed, out / "gmm", "gmm")
    gain = gaussian.nats() - whole.nats()
    rows.append(Outcome(5, "nats of gmm minus those of the t mixture", gain, "> 0", gain > 0))
    found = next(row.value for row in rows if row.what.startswith("Fréchet"))
    gain = gaussian.frechet(gaussian.samples()).value - found
    rows.append(Outcome(0, "Fréchet distance of gmm minus that of the t mixture", gain))
    rows += [replace(row, what=f"gmm, {row.what}") for row in gaussian.latent_space()]
    free = measures(run, dataset, clips, seed, out / "wo_dropout", "wo_dropout")
    rows += [replace(row, what=f"wo_dropout, {row.what}", holds=None) for row in free.free_running()]
    return rows


def measures(
    run: PipelineRun, dataset: PreparedDataset, clips: Clips, seed: int, out: Path, ablation: str = "",
    track_people: int | None = None,
) -> FlowMeasures:  # fmt: skip
    """Train the flows, or take them from the store, and measure them.

    ``track_people`` takes the place of the settings': people without pictures have their true labels, whatever the
    clips' are.
    """
    method = FlowVQTalker()
    given = dict(run.params.systems.get("flowvqtalker", {}))
    if track_people is not None:
        given["expflow"] = dict(given.get("expflow", {})) | {"track_people": track_people}
        systems = dict(run.params.systems) | {"flowvqtalker": given}
        run = replace(run, params=run.params.model_copy(update={"systems": systems}))
    train(method, run, dataset, seed, out, [ablation] if ablation else [], FLOWS)
    settings = method.settings(given, [ablation] if ablation else [])
    return FlowMeasures(CoefficientGenerator(out, settings.sampling), clips)


def picture_outcomes(run: PipelineRun, dataset: PreparedDataset, seed: int, out: Path) -> list[Outcome]:
    """Measures of one seed's codebook and image generator, which are trained or taken from the store."""
    train(FlowVQTalker(), run, dataset, seed, out / "pictures", stages=PICTURES)
    return PictureMeasures(Painter(out / "pictures"), true_requests(run, dataset), stranger_clips(run)).outcomes()


def true_requests(run: PipelineRun, dataset: PreparedDataset) -> list[PictureClipRequest]:
    """Test clips with their true coefficients, as the drive ``coefficients`` gives them."""
    planner = RequestPlanner(run, CARD)
    people = Truth(Path(run.params.datasets[run.paths.dataset].root)).speakers
    result = []
    for row in dataset.split("test"):
        request = build_request(CARD, planner.inputs(row, ("coefficients",)), 0)
        shape = np.asarray(people.loc[row.speaker, "shape"], np.float32)
        result.append(PictureClipRequest(request, read_frames(run.paths.crops / row.video_path), row.emotion, shape))
    return result


def stranger_clips(run: PipelineRun) -> list[np.ndarray]:
    """Frames of the clips of people whom no system has met; none where no such dataset is prepared."""
    names = [name for name, section in run.params.datasets.items() if section.models_of == run.paths.dataset]
    folders = [DatasetPaths(name) for name in names]
    return [
        read_frames(paths.crops / row.video_path)
        for paths in folders if paths.cropped.exists() for row in manifest.read(paths.cropped)
    ]  # fmt: skip


def permuted_labels(dataset: PreparedDataset, seed: int) -> PreparedDataset:
    """The dataset with the training clips' emotions permuted at random."""
    rows = list(dataset.rows)
    places = [n for n, row in enumerate(rows) if row.split == "train"]
    order = np.random.default_rng(seed).permutation(len(places))
    emotions = [rows[places[k]].emotion for k in order]
    for place, emotion in zip(places, emotions, strict=True):
        if emotion not in SUITE_ORDER:
            raise ValueError(f"{rows[place].clip_id}: expected a labelled clip")
        rows[place] = replace(rows[place], emotion=emotion)
    return replace(dataset, rows=tuple(rows))


if __name__ == "__main__":
    sys.exit(main())
