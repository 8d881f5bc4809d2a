"""Commands about methods: train, generate, list."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table as Grid

from gmbench.commands import terminal
from gmbench.commands.options import JsonFlag
from gmbench.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gmbench.evaluation.planning.inputs import Inputs
    from gmbench.evaluation.protocol import Protocol
    from gmbench.methods.card import MethodCard
    from gmbench.methods.registry import System
    from gmbench.stages.pipeline_run import PipelineRun

MethodName = Annotated[str, typer.Option("--method", help="<method>[-<ablation>][-s<seed>]; 'ours' is gmtalker.")]
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
    grid = Grid("part", "steps", "seconds", "parameters", "last losses", header_style="bold")
    for part, told in card["parts"].items():
        losses = ", ".join(f"{name} {value:.4g}" for name, value in told["losses"].items())
        grid.add_row(part, str(told["steps"]), str(told["seconds"]), f"{told['parameters']:,}", losses)
    terminal.out.print(grid)
    terminal.err.print(f"checkpoints and card: {folder}", markup=False, highlight=False)


def generate(
    audio: Annotated[Path, typer.Option(help="Speech: any sound file, of any length.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Video; or with --interpolate a folder of 17 pictures.")],
    emotion: Annotated[
        list[str] | None, typer.Option(help="happy, happy:0.7, or happy=0.5,angry=0.5; a video each if repeated.")
    ] = None,
    speaker: Annotated[str | None, typer.Option(help="Person; the first that was learnt by default.")] = None,
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
    from gmbench.executor import one_thread
    from gmbench.media import read_audio, write_video
    from gmbench.methods import registry
    from gmbench.methods.interface import EmotionSpec, GenRequest
    from gmbench.stages.system_videos import STEPS, write_sequence

    system = registry.System.parse(method)
    made = registry.create(system.method)
    made.load(models or _folder(system, dataset))
    person = speaker or next(iter(getattr(made, "speakers", [])), "")
    sound = read_audio(audio)
    ends = interpolate.split(":") if interpolate else []
    if ends and len(ends) != 2:
        raise InputError(f"--interpolate: expected two emotions as from:to, got {interpolate!r}")
    if ends and emotion:
        raise InputError("--interpolate names both emotions itself; leave out --emotion")
    first, last = (EmotionSpec.parse(ends[0]), EmotionSpec.parse(ends[1])) if ends else (None, None)
    wanted = [first] if first else [EmotionSpec.parse(text) for text in emotion or []] or [EmotionSpec()]
    for spec, path in zip(wanted, _paths(out, emotion or []), strict=True):
        request = GenRequest(
            audio.stem, sound, spec, person, seed, temperature=temperature, emotion_end=last if path.suffix else None
        )
        if last is not None and not path.suffix:
            with one_thread():
                count = write_sequence(made.interpolate(request, spec, last, STEPS), path, person, ends)
            terminal.err.print(f"{path}: {count} pictures", markup=False, highlight=False)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with one_thread(), terminal.progress("generating") as report:
            write_video(path, _watched(made.generate(request).frames, request.frames, report), sound)
        terminal.err.print(f"{path}: {request.frames} frames", markup=False, highlight=False)


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
    ablations.ablate(
        run,
        params.datasets[run.paths.dataset],
        registry_name(method),
        seeds,
        lambda line: terminal.err.print(line, markup=False, highlight=False),
        out,
    )
    terminal.out.print((out / "verdicts.md").read_text("utf-8"), markup=False, highlight=False)


def registry_name(method: str) -> str:
    """The registered name of a method; raises InputError for a variant."""
    from gmbench.methods.registry import System

    system = System.parse(method)
    if system.name != system.method:
        raise InputError(f"--method: expected a whole method, got its variant {method!r}")
    return system.method


def list_methods(as_json: JsonFlag = False) -> None:
    """List methods that can be trained here, the controls, and what the papers say of all others."""
    from gmbench.evaluation.planning.controls import CONTROLS
    from gmbench.methods import registry
    from gmbench.methods.card import cards
    from gmbench.reporting.method_cards import published_cards

    rows = [_row(registry.create(name).card) for name in registry.factories()]
    rows += [{"method": name, "kind": "control", "what": what, "source": ""} for name, what in CONTROLS.items()]
    rows += [_row(card) for card in cards() if card.kind == "dropin"]
    for printed in published_cards():
        able = ", ".join(f"{key} {value}" for key, value in printed.capabilities)
        what = f"emotion from {printed.emotion_source}" + (f"; {able}" if able else "")
        rows.append({"method": printed.name, "kind": "as printed", "what": what, "source": printed.source})
    if as_json:
        terminal.print_json(rows)
        return
    grid = Grid("method", "kind", "what", "source", header_style="bold")
    for row in rows:
        grid.add_row(*row.values())
    terminal.out.print(grid)
    terminal.err.print("dropin: give the method's videos with --videos NAME=DIR", markup=False)


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


def _row(card: "MethodCard") -> dict[str, str]:
    sources = " or ".join(card.emotion_sources)
    what = f"{card.title}; emotion from {sources}; pose {card.pose}, eye {card.eye}, emotion {card.emotion}"
    if card.ablations:
        what += f"; ablations {', '.join(card.ablations)}"
    return {"method": card.name, "kind": card.kind, "what": what, "source": "" if card.confirmed else "to be confirmed"}


def _folder(system: "System", dataset: str | None) -> Path:
    from gmbench.stages.train import model_folder

    return model_folder(project(dataset).paths.dataset, system)


def _paths(out: Path, emotions: Sequence[str]) -> list[Path]:
    """One path an emotion; several get the emotion's text in their names."""
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
