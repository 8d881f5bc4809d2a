"""Commands about methods: train, generate, ablate, list."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmbench.commands import terminal
from gmbench.commands.options import Device, JsonFlag
from gmbench.errors import InputError

if TYPE_CHECKING:
    from gmbench.evaluation.planning.inputs import Inputs
    from gmbench.evaluation.protocol import Protocol
    from gmbench.stages.pipeline_run import PipelineRun

MethodName = Annotated[
    str, typer.Option("--method", help="<method>[-<ablation>][-<drive>][-s<seed>]; 'ours' is gmtalker.")
]
Dataset = Annotated[str | None, typer.Option(help="Of params.yaml; the first that is evaluated by default.")]


def train(
    method: MethodName = "gmtalker",
    dataset: Dataset = None,
    device: Device = None,
    precision: Annotated[
        str | None, typer.Option(help="float32; on a GPU also tf32 or bfloat16; params.yaml's by default.")
    ] = None,
) -> None:
    """Train a method on a prepared dataset: checkpoints, losses and a run card below models/<dataset>/<method>."""
    from gmbench.methods.registry import System
    from gmbench.stages.train import model_folder
    from gmbench.stages.training_pool import train_systems

    run = project(dataset, device, precision)
    system = System.parse(method)
    section = run.params.datasets[run.paths.dataset]
    train_systems(run, section, [system.trained])
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
    out: Annotated[Path, typer.Option("--out", "-o", help="Video; or with --interpolate a folder of 17 pictures.")],
    audio: Annotated[
        Path | None, typer.Option(help="Speech: any sound file, of any length; that of --mouth-from by default.")
    ] = None,
    emotion: Annotated[
        list[str] | None, typer.Option(help="happy, happy:0.7, or happy=0.5,angry=0.5; a video each if repeated.")
    ] = None,
    speaker: Annotated[str | None, typer.Option(help="Person; the first that was learnt by default.")] = None,
    source: Annotated[
        Path | None,
        typer.Option("--source", "--source-image", help="Picture or video of the person, for a one-shot method."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option("--reference", "--emotion-from", help="Video that shows the emotion, instead of --emotion."),
    ] = None,
    mouth_from: Annotated[Path | None, typer.Option(help="Video that drives the mouth.")] = None,
    pose_from: Annotated[Path | None, typer.Option(help="Video that drives the head pose.")] = None,
    expression_from: Annotated[Path | None, typer.Option(help="Video that drives the expression.")] = None,
    transcript: Annotated[str, typer.Option(help="Words, for a method that reads them.")] = "",
    seed: int = 0,
    interpolate: Annotated[str | None, typer.Option(help="Two emotions, from:to, for example fear:sad.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, help="Spread of what is sampled; 0: most likely.")] = None,
    guidance: Annotated[float | None, typer.Option(min=0, help="DICE-Talk: scale of sound and emotion.")] = None,
    emotion_guidance: Annotated[
        float | None, typer.Option(min=0, help="DICE-Talk: scale of the emotion alone, in a fourth pass.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="DICE-Talk: steps of the sampler.")] = None,
    method: MethodName = "gmtalker",
    dataset: Dataset = None,
    models: Annotated[Path | None, typer.Option(help="Folder of the checkpoints.")] = None,
    device: Device = None,
) -> None:
    """Make a video of a person saying something with an emotion.

    A video that is interpolated moves from one emotion to the other; a folder shows one instant in 17 steps.
    """
    from gmbench.api import generation

    ends = interpolate.split(":") if interpolate else []
    if ends and len(ends) != 2:
        raise InputError(f"--interpolate: expected two emotions as from:to, got {interpolate!r}")
    if (ends and (emotion or reference)) or (emotion and reference):
        raise InputError("--interpolate, --emotion and --reference each name the emotion; give one of them")
    sound = audio or mouth_from
    if sound is None:
        raise InputError("give the speech by --audio, or a video with sound by --mouth-from")
    given = {"guidance": guidance, "emotion_guidance": emotion_guidance, "steps": steps}
    options = {name: value for name, value in given.items() if value is not None}
    loaded = generation.trained(method, models, dataset, device)
    for text, path in zip(ends[:1] or emotion or [""], _paths(out, emotion or []), strict=True):
        with terminal.progress("generating", "frames") as report:
            generation.generate(
                sound, path, method=loaded, emotion=text, emotion_end=ends[1] if ends else "", reference=reference,
                mouth_from=mouth_from, pose_from=pose_from, expression_from=expression_from,
                speaker=speaker or "", source=source, transcript=transcript, seed=seed, temperature=temperature,
                options=options, device=device, progress=report,
            )  # fmt: skip
        terminal.note(f"{path}: {'video' if path.suffix else 'pictures'} of {sound.name}")


def ablate(
    method: MethodName = "gmtalker",
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each system.")] = 5,
    dataset: Dataset = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; those of params.yaml by default.")] = None,
    device: Device = None,
    out: Annotated[Path, typer.Option(help="Folder for records, tables and verdicts.")] = Path("ablations"),
) -> None:
    """Train a method and its ablations over seeds, and say which of the paper's orderings hold here."""
    from dataclasses import replace

    from gmbench.stages import ablations

    run = project(dataset, device)
    params = run.params.model_copy(update={"workers": workers or run.params.workers})
    run = replace(run, params=params, quiet=True)
    method = registry_name(method)
    ablations.ablate(run, method, seeds, terminal.note, out)
    for line in (out / method / "verdicts.md").read_text("utf-8").splitlines():
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


def project(dataset: str | None, device: str | None = None, precision: str | None = None) -> "PipelineRun":
    """The run that params.yaml of this folder describes, on one dataset, a device, and in a precision of training."""
    from dataclasses import replace

    from gmbench.api.generation import project as found
    from gmbench.config import Params

    run = found(dataset, device)
    if precision is None:
        return run
    training = run.params.training.model_dump() | {"precision": precision}
    try:
        return replace(run, params=Params.model_validate(run.params.model_dump() | {"training": training}))
    except ValueError as error:
        raise InputError(f"--precision: expected float32, tf32 or bfloat16, got {precision!r}") from error


def generate_test_clips(
    methods: Sequence[str], dataset: str | None, workers: int, device: str | None = None
) -> tuple["Inputs", "Protocol", Path]:
    """Let systems that were trained here generate the test clips; these, how they are compared, and their store."""
    from dataclasses import replace

    from gmbench.methods.registry import System
    from gmbench.stages.evaluation_plan import evaluation_inputs, evaluation_protocol
    from gmbench.stages.generate import generate

    run = project(dataset, device)
    run = replace(run, params=run.params.model_copy(update={"workers": workers}), quiet=True)
    section = run.params.datasets[run.paths.dataset]
    names = [System.parse(name).name for name in methods]
    for name in names:
        generate(run, section, name)
    return evaluation_inputs(run, names), evaluation_protocol(section, run.device), run.store.root


def _paths(out: Path, emotions: Sequence[str]) -> list[Path]:
    """One path per emotion; several get the emotion's text in their names."""
    if len(emotions) < 2:
        return [out]
    names = ["".join(c if c.isalnum() or c == "." else "-" for c in text) for text in emotions]
    return [out.with_name(f"{out.stem}-{name}{out.suffix}") for name in names]
