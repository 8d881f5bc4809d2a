"""What of a method's expected orderings can be measured on a dataset, found out before anything is trained.

An ordering of emotions needs training clips of at least two emotions, one between emotions a pair that the dataset
has, and every ordering the networks of its metric. What is missing is said at once: data that lack something lose the
orderings that need it, what a method cannot train loses those systems, and a missing file stops the run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError, WeightsError
from gmbench.evaluation.interpolation import SCORED, sequence_extractor
from gmbench.evaluation.protocol import Protocol
from gmbench.evaluation.scoring.registry import select
from gmbench.face import landmarks
from gmbench.methods.card import BETWEEN, EMBEDDINGS, TALKING, TRACKS, ExpectedOrdering, Interpolation, MethodCard
from gmbench.methods.interface import RefusesTrainings, TalkingHeadMethod
from gmbench.methods.registry import System
from gmbench.methods.tracks import emotions_of
from gmbench.names import closest
from gmbench.stages import clip_embeddings, generated_expressions, generated_motion
from gmbench.stages.evaluation_plan import evaluation_protocol
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.scored_clips import scored_rows
from gmbench.stages.train import prepared_dataset, pretraining_of
from gmbench.stages.verdicts import lacking, system_of
from gmbench.weights import load_path

SEQUENCES = (BETWEEN, TALKING)
MEASURED = {
    TRACKS: (*generated_motion.MEASURED, *generated_expressions.MEASURED), EMBEDDINGS: clip_embeddings.MEASURED,
}  # fmt: skip
"""By drive, what is measured without videos."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Group:
    """What is generated and scored together: of a dataset, under drives, over the same seeds.

    ``variants`` are ablations, or drives where an ordering compares those; ``shared`` as of the orderings.
    """

    dataset: str
    drive: str
    variants: tuple[str, ...]
    metrics: tuple[str, ...]
    shared: tuple[str, ...] = ()
    seeds: int = 0

    @property
    def name(self) -> str:
        """Of its files."""
        return "-".join((self.drive or "own", *self.shared))


@dataclass(frozen=True)
class AblationPlan:
    """What a run does.

    Attributes:
        groups: of videos and tracks.
        ways, pairs: between emotions; none where no ordering needs them.
        ways_shared, ways_seeds: of the systems that are asked for them.
        without: orderings that cannot be measured here, with the reason.
        untrained: systems that the method cannot train here, with the reason.
    """

    groups: tuple[Group, ...]
    ways: tuple[Interpolation, ...]
    pairs: tuple[tuple[str, str], ...]
    ways_shared: tuple[str, ...]
    ways_seeds: int
    without: Mapping[ExpectedOrdering, str]
    untrained: Mapping[str, str] = field(default_factory=dict)

    def systems(self, method: str) -> list[str]:
        """Names of all systems that are trained, those of low seeds first."""
        wanted = [(seed, name, g.shared) for g in self.groups for name in g.variants for seed in range(g.seeds)]
        wanted += [(seed, way.ablation, self.ways_shared) for way in self.ways for seed in range(self.ways_seeds)]
        wanted.sort(key=lambda system: system[0])
        names = dict.fromkeys(system_of(method, name, "", shared, seed).trained for seed, name, shared in wanted)
        return [name for name in names if name not in self.untrained]

    def of_group(self, group: Group, method: str) -> list[System]:
        """Systems of a group that are trained, seed by seed."""
        systems = [
            system_of(method, name, group.drive, group.shared, seed)
            for seed in range(group.seeds) for name in group.variants
        ]  # fmt: skip
        return [system for system in systems if system.trained not in self.untrained]


def plan_ablations(run: PipelineRun, method: TalkingHeadMethod, seeds: int, say: Say) -> AblationPlan:
    """What can be measured of the orderings of a method's card.

    Raises:
        InputError: the card expects no ordering, or no clip is to be scored.
        WeightsError: a file that an ordering's metric needs is missing.
    """
    card = method.card
    if not card.expected_orderings:
        raise InputError(f"{card.name}: its card expects no ordering of ablations (MethodCard.expected_orderings)")
    scored_rows(run)
    emotions = [name for name in emotions_of(_training_rows(run)) if name]
    pairs = tuple(pair for pair in card.emotion_pairs if set(pair) <= set(emotions))
    without = _without(run, card, emotions, pairs)
    untrained = _untrained(run, method, [o for o in card.expected_orderings if o not in without], seeds)
    without |= _without_systems(card, [o for o in card.expected_orderings if o not in without], seeds, untrained)
    for reason in dict.fromkeys(without.values()):
        names = sorted({ordering.metric for ordering, why in without.items() if why == reason})
        say(f"left out: {', '.join(names)}: {reason}")
    kept = [ordering for ordering in card.expected_orderings if ordering not in without]
    groups = [_checked(run, group, kept, say) for group in groups_of(kept, card, run.paths.dataset, seeds)]
    between = [ordering for ordering in kept if ordering.drive in SEQUENCES]
    if not between:
        return AblationPlan(tuple(groups), (), (), (), 0, without, untrained)
    if lost := [f"{a}-{b}" for a, b in card.emotion_pairs if (a, b) not in pairs]:
        say(f"left out: sequences {', '.join(lost)}: {run.paths.dataset} lacks an emotion of theirs")
    _check_sequences(run, between)
    if len({(ordering.shared, ordering.most_seeds) for ordering in between}) > 1:
        raise InputError(f"{card.name}: its orderings between emotions must have the same 'shared' and 'most_seeds'")
    first = between[0]
    return AblationPlan(tuple(groups), card.interpolations, pairs, first.shared, first.seeds(seeds), without, untrained)


def groups_of(orderings: Sequence[ExpectedOrdering], card: MethodCard, here: str, seeds: int) -> list[Group]:
    """What orderings are measured on, in the order of the card's metrics.

    What a card compares beside its orderings joins the group of the drive that has fewest seeds, and shares least.
    """
    measured = [ordering for ordering in orderings if ordering.drive not in SEQUENCES]
    drives = dict.fromkeys((*card.metrics, *(ordering.drive for ordering in measured)))
    order = {drive: place for place, drive in enumerate(drives)}
    keys = dict.fromkeys((o.dataset or here, o.drive, o.shared, o.seeds(seeds)) for o in measured)
    datasets = list(dict.fromkeys(dataset for dataset, *_ in keys))
    groups = []
    for key in sorted(keys, key=lambda key: (datasets.index(key[0]), order[key[1]])):
        dataset, drive, shared, count = key
        chosen = [o for o in measured if (o.dataset or here, o.drive, o.shared, o.seeds(seeds)) == key]
        names = {"" if drive == EMBEDDINGS else name for ordering in chosen for name in ordering.order}
        if key == min((k for k in keys if k[:2] == key[:2]), key=lambda k: (k[3], len(k[2]))):
            names |= set(card.compared.get(drive, ()))
        metrics = dict.fromkeys((*card.metrics.get(drive, ()), *(ordering.metric for ordering in chosen)))
        groups.append(Group(dataset, drive, tuple(sorted(names)), tuple(metrics), shared, count))
    return groups


def why_not(metric: str, protocol: Protocol) -> str:
    """Why a metric cannot be computed under a protocol: the message names the missing file. Empty if it can.

    Raises:
        InputError: no metric or group has this name.
    """
    selected = select([metric], has_reference=True)
    try:
        for wanted in selected:
            wanted.extractor_features(protocol)
            for name in wanted.weights(protocol):
                load_path(name)
            sees_crop = protocol.crop != "full" and bool(wanted.frame_features or wanted.pairs(protocol))
            if wanted.reads_landmarks(protocol) or sees_crop:
                landmarks.backend(protocol.landmarks).weights_sha256()
    except (InputError, WeightsError) as error:
        return str(error)
    return ""


def _without(
    run: PipelineRun, card: MethodCard, emotions: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> dict[ExpectedOrdering, str]:
    """Orderings that the data cannot show, with the reason."""
    here, found = run.paths.dataset, {}
    for ordering in card.expected_orderings:
        if ordering.dataset and ordering.dataset not in run.params.datasets:
            found[ordering] = f"no dataset {ordering.dataset} in params.yaml"
        elif ordering.labelled and len(emotions) < 2:
            found[ordering] = f"{here} has {_listed(emotions)} to learn from, and this needs two emotions"
        elif ordering.drive in SEQUENCES and not pairs:
            found[ordering] = f"{here} has no two emotions that sequences lead between"
    return found


def _untrained(
    run: PipelineRun, method: TalkingHeadMethod, orderings: Sequence[ExpectedOrdering], seeds: int
) -> dict[str, str]:
    """Systems that the method refuses to train here, with the reason."""
    if not isinstance(method, RefusesTrainings):
        return {}
    card = method.card
    plan = AblationPlan(tuple(groups_of(orderings, card, run.paths.dataset, seeds)), (), (), (), 0, {})
    trained_on = run.params.datasets[run.paths.dataset].models_of or run.paths.dataset
    dataset = prepared_dataset(run, DatasetPaths(trained_on), run.params.datasets[trained_on])
    pretraining, found = pretraining_of(run, dataset), {}
    for name in plan.systems(card.name):
        system = System.parse(name)
        settings = method.settings(run.params.systems.get(card.name, {}), system.ablations)
        try:
            method.check_trainable(dataset, pretraining, settings, run.params.seed + system.seed)
        except InputError as error:
            how = f"then 'gmbench ablate --method {card.name} --seeds {seeds}' trains it, on a GPU or for hours"
            found[name] = f"{error}, {how}"
    return found


def _without_systems(
    card: MethodCard, orderings: Sequence[ExpectedOrdering], seeds: int, untrained: Mapping[str, str]
) -> dict[ExpectedOrdering, str]:
    """Orderings of which no pair can be trained at any seed, with the reason."""
    found = {}
    for ordering in orderings:
        pairs = zip(ordering.order, ordering.order[1:], strict=False)
        reasons = [
            lacking(ordering, card.name, pair, seed, untrained)
            for pair in pairs for seed in range(ordering.seeds(seeds))
        ]  # fmt: skip
        if all(reasons):
            found[ordering] = reasons[0]
    return found


def _listed(emotions: Sequence[str]) -> str:
    """Emotions in a message."""
    return ", ".join(emotions) or "no labelled clips"


def _checked(run: PipelineRun, group: Group, orderings: Sequence[ExpectedOrdering], say: Say) -> Group:
    """The group without metrics that no ordering needs and whose files are missing.

    Raises:
        WeightsError: a file is missing that an ordering needs.
        InputError: a metric that cannot be measured on coefficients or embeddings.
    """
    needed = {o.metric for o in orderings if (o.dataset or run.paths.dataset, o.drive) == (group.dataset, group.drive)}
    if group.drive in MEASURED:
        if unknown := sorted(needed - set(MEASURED[group.drive])):
            what, known = ("coefficients" if group.drive == TRACKS else group.drive), MEASURED[group.drive]
            raise InputError(f"{unknown[0]} is not measured on {what}; {closest(unknown[0], known)}")
        return group
    protocol = evaluation_protocol(run.params.datasets[group.dataset])
    lost = {name: reason for name in group.metrics if (reason := why_not(name, protocol))}
    for name, reason in lost.items():
        if name in needed:
            raise WeightsError(f"an ordering needs {name}: {reason}")
        say(f"left out: {name}: {reason}")
    return replace(group, metrics=tuple(name for name in group.metrics if name not in lost))


def _check_sequences(run: PipelineRun, orderings: Sequence[ExpectedOrdering]) -> None:
    """Raise WeightsError where a network or the landmarks' file of sequences between emotions is missing."""
    protocol = evaluation_protocol(run.params.datasets[run.paths.dataset])
    sequence_extractor(protocol)
    landmarks.backend(protocol.landmarks).weights_sha256()
    for ordering in orderings:
        if ordering.metric not in SCORED and (reason := why_not(ordering.metric, protocol)):
            raise WeightsError(f"an ordering needs {ordering.metric}: {reason}")


def _training_rows(run: PipelineRun) -> list[ClipRow]:
    """Clips that systems of the dataset learn from, or those whose checkpoints it uses.

    Raises:
        InputError: there are none.
    """
    name = run.params.datasets[run.paths.dataset].models_of or run.paths.dataset
    rows = [row for row in manifest.read(DatasetPaths(name).cropped) if row.split == manifest.TRAIN]
    if not rows:
        raise InputError(f"{name}: no training clips; see the splits in the manifest")
    return rows
