"""The commands ``gmbench extractors``: networks that metrics ask, trained on the user's own data."""

from pathlib import Path
from typing import Annotated

import typer

from gmbench.commands import terminal
from gmbench.commands.options import JsonFlag

extractors_app = typer.Typer(help="Networks that metrics ask: train them on your data.", no_args_is_help=True)


@extractors_app.callback()
def _extractors() -> None:
    """Networks that metrics ask."""


@extractors_app.command("train")
def extractors_train(
    kind: Annotated[str, typer.Argument(help="emotion (Emotion-FAN, of CREMA-D) or emotion_vgg (VGG-16 of E-PPL).")],
    dataset: Annotated[str, typer.Option(help="Of params.yaml; its stages crop and landmarks are done.")],
    steps: Annotated[int, typer.Option(min=1, help="Updates.")] = 20_000,
    batch: Annotated[int, typer.Option(min=1, help="Clips in an update.")] = 16,
    rate: Annotated[float, typer.Option(help="Learning rate of Adam.")] = 1e-4,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each clip.")] = 8,
    seed: int = 0,
    start: Annotated[
        Path | None, typer.Option(help="torchvision's file of ResNet-18 or VGG-16, or such a network, to begin with.")
    ] = None,
    on_training_clips: Annotated[
        bool, typer.Option("--on-training-clips", help="Learn from the people whom methods learn from.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Train a network on people of a dataset whom no method knows, score it on others, and put it where metrics look.

    A network that is no better than chance on the held-out people is not written.
    """
    from gmbench.api.generation import project
    from gmbench.errors import InputError
    from gmbench.extractors.user_training import UserTraining
    from gmbench.stages.user_extractors import train_extractor

    if start is not None and not start.is_file():
        raise InputError(f"--start: {start}: no such file")
    run = project(dataset)
    settings = UserTraining(steps, batch, rate, min(3, frames), seed, start=start)
    section = run.params.datasets[run.paths.dataset]
    path, report = train_extractor(run, section, kind, settings, frames, on_training_clips)
    if as_json:
        terminal.print_json([report])
        return
    held_out = report["held_out"]
    terminal.note(
        f"{path}: {held_out['accuracy']:.1f} % of {held_out['count']} clips of {held_out['people']} held-out people"
        f" (chance {held_out['chance']:.1f} %); recipe and people in {path.with_suffix('.json').name}"
    )
