"""EDTalk's acceptance tests, in a project whose dataset is prepared: ``make acceptance METHOD=edtalk``.

Trains the system of ``params.yaml`` at each seed in the project's store, also as ablations, and prints the table; draws
test 6's figure. ``--ablations`` trains figure 6's ablations too, for the claim of test 6 (twice the decoupling and the
expression a seed). Tests 1, 8, 9 and 13 are unit tests too (tests/nn, tests/methods/edtalk).
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from gmbench.api.generation import project
from gmbench.executor import one_thread
from gmbench.methods.edtalk.method import EDTalk
from gmbench.methods.interface import PreparedDataset
from gmbench.stages.pipeline_run import PipelineRun
from tests.acceptance import edtalk_semantics
from tests.acceptance.command import corpus, costs, finish, loaded, options, train
from tests.acceptance.edtalk_clips import HeldOutClip, held_out
from tests.acceptance.edtalk_measures import EDTalkMeasures
from tests.acceptance.edtalk_swaps import draw_leakage
from tests.acceptance.judges import Judges
from tests.acceptance.outcome import Outcome
from tests.acceptance.swaps import leakage_claims

BANK_ABLATIONS = ("wo_orthogonal", "wo_bank")
ANIMATOR = ("backbone", "decouple", "teachers", "expression")
"""Networks that the swaps need."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every threshold is met at every seed."""
    parser = options("edtalk", __doc__)
    parser.add_argument("--ablations", action="store_true", help="train wo_orthogonal and wo_bank too")
    given = parser.parse_args(arguments)
    run = project(None)
    dataset = corpus(run)
    clips = held_out(dataset)
    with one_thread():
        by_seed = [
            outcomes(run, dataset, clips, seed, given.out / f"s{seed}", BANK_ABLATIONS if given.ablations else ())
            for seed in range(given.seeds)
        ]
    return finish([by_seed], given.out)


def outcomes(
    run: PipelineRun, dataset: PreparedDataset, clips: Sequence[HeldOutClip], seed: int, out: Path,
    ablations: Sequence[str],
) -> list[Outcome]:  # fmt: skip
    """All measures of one seed."""
    judges = Judges()

    def trained(name: str, stages: Sequence[str] | None = None) -> EDTalkMeasures:
        train(EDTalk(), run, dataset, seed, out / name, [name], stages)
        return EDTalkMeasures(loaded(EDTalk(), out / name), clips, judges)

    report = train(EDTalk(), run, dataset, seed, out / "full")
    whole = EDTalkMeasures(loaded(EDTalk(), out / "full"), clips, judges)
    settings = whole.method.settings(run.params.systems.get("edtalk", {}))
    rows = [*whole.outcomes(), *whole.switched_mouths(settings.decouple)]
    draw_leakage(whole.leakage, whole.swaps, out / "leakage")
    rows += trained("mean_pose").mean_pose()
    rows += semantics(whole.method, trained("wo_mask").method, clips, dataset)
    rows += [whole.trainable_share(), *costs(14, report)]
    if ablations:
        rows += leakage_claims(whole.leakage, {name: trained(name, ANIMATOR).leakage for name in ablations})
    return sorted(rows, key=lambda row: row.test)


def semantics(method: EDTalk, without: EDTalk, clips: Sequence[HeldOutClip], dataset: PreparedDataset) -> list[Outcome]:
    """Test 12 of the system and of ``wo_mask``, whose animators are the same."""
    heard, mean = edtalk_semantics.spoken(method, clips), edtalk_semantics.training_mean(method, dataset)
    found = [edtalk_semantics.distances(one.semantics.network, heard, mean) for one in (method, without)]
    return edtalk_semantics.semantics(*found)


if __name__ == "__main__":
    sys.exit(main())
