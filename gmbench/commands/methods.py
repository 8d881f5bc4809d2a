"""Commands about methods: train, generate, ablate, list."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmbench.commands import terminal
from gmbench.commands.options import JsonFlag
from gmbench.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gmbench.evaluation.planning.inputs import Inputs
    from gmbench.evaluation.protocol import Protocol
    from gmbench.methods.interface import EmotionSpec, GenRequest, Interpolates, TalkingHeadMethod
    from gmbench.methods.registry import System
    from gmbench.stages.pipeline_run import PipelineRun

MethodName = Annotated[
    str, typer.Option("--method", help="<method>[-<ablation>][-<drive>][-s<seed>]; 'ours' is gmtalker.")
]
Dataset = Annotated[str | None, typer.Option(help="Of params.yaml; the first that is evaluated by default.")]


def train(method: MethodName = "gmtalker", dataset: Dataset = None) -> None:
    """Train a method on a prepared dataset: checkpoints, losses and a run card below models/<dataset>/<method>."""
    from gmbench.methods.registry import System
    from gmbench.stages.train import model_folder, train

    run = project(dataset)
    system = System.parse(method)
    train(run, run.params.datasets[run.paths.dataset], system.name)
    folder = model_folder(run.paths.dataset, system)
    card = json.loads((folder / "card.json").read_text("utf-8"))
    if "models_of" in card:
        line = f"{run.paths.dataset} uses the checkpoints of {card['models_of']}; nothing is trained on it"
        terminal.note(line)
        return
    rows = []
    for part, facts in card["parts"].items():
        losses = ", ".join(f"{name} {value:.4g}" for name, value in facts["losses"].items())
        numbers = (facts.get(name) for name in ("steps", "seconds", "parameters"))
        rows.append((part, *("–" if value is None else f"{value:,}" for value in numbers), losses))
    terminal.print_list(("part", "steps", "seconds", "parameters", "last losses"), rows, head=4)
    terminal.note(f"checkpoints and card: {folder}")


def generate(
    audio: Annotated[Path, typer.Option(help="Speech: any sound file, of any length.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Video; or with --interpolate a folder of 17 pictures.")],
    emotion: Annotated[
        list[str] | None, typer.Option(help="happy, happy:0.7, or happy=0.5,angry=0.5; a video each if repeated.")
    ] = None,
    speaker: Annotated[str | None, typer.Option(help="Person; the first that was learnt by default.")] = None,
    source: Annotated[Path | None, typer.Option(help="Picture or video of the person, for a one-shot method.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Video that shows the emotion, instead of --emotion.")] = None,
    transcript: Annotated[str, typer.Option(help="Words, for a method that reads them.")] = "",
    seed: int = 0,
    interpolate: Annotated[str | None, typer.Option(help="Two emotions, from:to, for example fear:sad.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, help="Spread of what is sampled; 0: most likely.")] = None,
    method: MethodName = "gmtalker",
    dataset: Dataset = None,
    models: Annotated[Path | None, typer.Option(help="Folder of the checkpoints.")] = None,
) -> None:
    """Make a video of a person saying something with an emotion.

    A video that is interpolated moves from one emotion to the other; a folder shows one instant in 17 steps.
    """
    from gmbench.media import Video, read_audio
    from gmbench.methods import registry
    from gmbench.methods.interface import EmotionSpec, GenRequest, NotSupported, ReferenceClip

    system = registry.System.parse(method)
    if system.drives:
        raise NotSupported(f"{method}: 'gmbench generate' has no clip for {system.drive}; use 'gmbench eval --method'")
    ends = interpolate.split(":") if interpolate else []
    if ends and len(ends) != 2:
        raise InputError(f"--interpolate: expected two emotions as from:to, got {interpolate!r}")
    if (ends and (emotion or reference)) or (emotion and reference):
        raise InputError("--interpolate, --emotion and --reference each name the emotion; give one of them")
    wanted = [EmotionSpec.parse(text) for text in ends[:1] or emotion or []]
    if reference is not None:
        wanted = [EmotionSpec(clip=reference)]
    last = EmotionSpec.parse(ends[1]) if ends else None
    loaded = registry.load(system.method, models or _folder(system, dataset))
    if last is not None:
        _ways(loaded)
    sound = read_audio(audio)
    shown = None if reference is None else ReferenceClip(reference.stem, reference, read_audio(reference))
    picture = None if source is None else _square(next(iter(Video(source))))
    person = speaker or next(iter(loaded.speakers), "")
    for spec, path in zip(wanted or [EmotionSpec()], _paths(out, emotion or []), strict=True):
        request = GenRequest(
            audio.stem, sound, spec, person, seed, temperature=temperature, emotion_end=last if path.suffix else None,
            source_image=picture, transcript=transcript, reference=shown,
        )  # fmt: skip
        if last is not None and not path.suffix:
            _write_steps(loaded, request, last, path, ends)
        else:
            _write_video(loaded, request, path)


def _write_steps(
    method: "TalkingHeadMethod", request: "GenRequest", last: "EmotionSpec", path: Path, ends: Sequence[str]
) -> None:
    """Pictures of one instant between two emotions."""
    from gmbench.executor import one_thread
    from gmbench.stages.system_videos import STEPS, write_sequence

    interpolating, way = _ways(method)
    with one_thread():
        steps = interpolating.interpolate(request, request.emotion, last, STEPS, way)
        count = write_sequence(steps, path, request.speaker, ends)
    terminal.note(f"{path}: {count} pictures")


def _ways(method: "TalkingHeadMethod") -> "tuple[Interpolates, str]":
    """The method and its default way between emotions; raises NotSupported where it has none."""
    from gmbench.methods.interface import Interpolates, NotSupported

    if not isinstance(method, Interpolates) or not method.card.interpolations:
        raise NotSupported(f"{method.card.title} does not interpolate between emotions")
    return method, method.card.interpolations[0].name


def _write_video(method: "TalkingHeadMethod", request: "GenRequest", path: Path) -> None:
    from gmbench.executor import one_thread
    from gmbench.media import write_video
    from gmbench.stages.system_videos import generate_frames

    path.parent.mkdir(parents=True, exist_ok=True)
    with one_thread(), terminal.progress("generating", "frames") as report:
        _, frames = generate_frames(method, request)
        write_video(path, _watched(frames, request.frames, report), request.audio)
    terminal.note(f"{path}: {request.frames} frames")


def _square(image: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """A source image; raises InputError where it is not square, since methods expect the crops' form."""
    if image.shape[0] != image.shape[1]:
        raise InputError(f"--source: expected a square picture of the face, got {image.shape[1]}x{image.shape[0]}")
    return image


def ablate(
    method: MethodName = "gmtalker",
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each system.")] = 3,
    dataset: Dataset = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; those of params.yaml by default.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for records, tables and verdicts.")] = Path("ablations"),
) -> None:
    """Train a method and its ablations over seeds, and say which of the paper's orderings hold here."""
    from dataclasses import replace

    from gmbench.stages import ablations

    run = project(dataset)
    params = run.params.model_copy(update={"workers": workers or run.params.workers})
    run = replace(run, params=params, quiet=True)
    ablations.ablate(run, registry_name(method), seeds, terminal.note, out)
    for line in (out / "verdicts.md").read_text("utf-8").splitlines():
        terminal.line(line)


def registry_name(method: str) -> str:
    """The registered name of a method; raises InputError for a variant."""
    from gmbench.methods.registry import System

    system = System.parse(method)
    if system.name != system.method:
        raise InputError(f"--method: expected a whole method, got its variant {method!r}")
    return system.method


def list_methods(
    name: Annotated[str | None, typer.Argument(help="A method, a run's name such as gmtalker-pose, a control.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List methods that can be trained here, controls, and the methods of the papers; or show the card of one."""
    from gmbench.reporting import method_cards

    if name is not None:
        facts = method_cards.facts_of(name)
        if as_json:
            terminal.print_json([facts])
        else:
            terminal.print_facts(facts)
        return
    rows = method_cards.overview()
    if as_json:
        terminal.print_json([asdict(row) for row in rows])
        return
    header = ("method", "kind", "what", "printed in")
    terminal.print_list(header, [(row.method, row.kind, row.what, ", ".join(row.sources)) for row in rows])
    terminal.note("dropin: give the method's videos with --videos NAME=DIR; 'gmbench methods NAME' shows a card")


def project(dataset: str | None) -> "PipelineRun":
    """The run that params.yaml of this folder describes, on one dataset."""
    from gmbench import config
    from gmbench.names import closest
    from gmbench.stages.paths import DatasetPaths
    from gmbench.stages.pipeline_run import STORE, PipelineRun
    from gmbench.store import Store

    params = config.load()
    name = dataset or next(iter(params.evaluate), "")
    if name not in params.datasets:
        raise InputError(f"params.yaml: unknown dataset {name!r}; {closest(name, params.datasets)}")
    return PipelineRun(params, DatasetPaths(name), Store(STORE))


def generate_test_clips(methods: Sequence[str], dataset: str | None, workers: int) -> tuple["Inputs", "Protocol", Path]:
    """Let systems that were trained here generate the test clips; these, how they are compared, and their store."""
    from dataclasses import replace

    from gmbench.methods.registry import System
    from gmbench.stages.evaluation_plan import evaluation_inputs, evaluation_protocol
    from gmbench.stages.generate import generate

    run = project(dataset)
    run = replace(run, params=run.params.model_copy(update={"workers": workers}), quiet=True)
    section = run.params.datasets[run.paths.dataset]
    names = [System.parse(name).name for name in methods]
    for name in names:
        generate(run, section, name)
    return evaluation_inputs(run, names), evaluation_protocol(section), run.store.root


def _folder(system: "System", dataset: str | None) -> Path:
    from gmbench.stages.train import checkpoint_folder

    return checkpoint_folder(project(dataset), system)


def _paths(out: Path, emotions: Sequence[str]) -> list[Path]:
    """One path per emotion; several get the emotion's text in their names."""
    if len(emotions) < 2:
        return [out]
    names = ["".join(c if c.isalnum() or c == "." else "-" for c in text) for text in emotions]
    return [out.with_name(f"{out.stem}-{name}{out.suffix}") for name in names]


def _watched(
    frames: "Iterator[NDArray[np.uint8]]", total: int, report: Callable[[int, int], None]
) -> "Iterator[NDArray[np.uint8]]":
    for done, frame in enumerate(frames, 1):
        report(done, total)
        yield frame
