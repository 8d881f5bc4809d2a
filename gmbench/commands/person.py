"""The commands ``gmbench person``: one's own videos to a talking portrait."""

from pathlib import Path
from typing import Annotated

import typer

from gmbench.commands import terminal
from gmbench.commands.options import JsonFlag
from gmbench.errors import InputError

person_app = typer.Typer(help="A person's own videos to a talking portrait.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Of the person: letters, digits and hyphens.")]


@person_app.command("add")
def person_add(
    name: Name,
    videos: Annotated[list[Path], typer.Argument(help="With sound inside, or in a file of the same name beside them.")],
    emotion: Annotated[
        list[str] | None,
        typer.Option(help="happy=clip2.mp4, once per video; else names of files and folders say it; none is fine."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the project; NAME by default.")] = None,
    size: Annotated[int, typer.Option(help="Side of the portrait: 64, 128, 256 or 512 pixels.")] = 128,
    landmarks: Annotated[
        str, typer.Option(help="Backend that finds the face; corpus for people drawn by gmbench.")
    ] = "mediapipe",
    force: Annotated[bool, typer.Option("--force", help="Replace the clips and params.yaml that are there.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check videos of one person, cut them into sentences, and write a project that can be trained.

    Only with the consent of the person who is shown: see docs/own-video.md.
    """
    from gmbench.api.person import add_person

    labels = {}
    for text in emotion or []:
        label, mark, video = text.partition("=")
        if not mark:
            raise InputError(f"--emotion: expected an emotion and a video, as happy=clip2.mp4, got {text!r}")
        labels[video] = label
    with terminal.progress("looking and cutting", "frames") as report:
        reports = add_person(
            name, videos, out, emotions=labels, size=size, landmarks=landmarks, force=force, progress=report
        )
    folder = out or Path(name)
    rows = [vars(item) for item in reports]
    if as_json:
        terminal.print_json(rows)
    else:
        header = ("video", "emotion", "seconds", "person seen", "in clips", "clips")
        terminal.print_list(header, [
            (r.video, r.emotion or "none", f"{r.seconds:.1f}", f"{r.seen:.1f}", f"{r.used:.1f}", str(r.clips))
            for r in reports
        ])  # fmt: skip
    used, seconds = sum(item.used for item in reports), sum(item.seconds for item in reports)
    terminal.note(
        f"{used / seconds:.0%} of {seconds:.0f} s are in {sum(i.clips for i in reports)} clips below {folder}"
    )
    terminal.note(f"next: cd {folder} && gmbench person train {name}")


@person_app.command("train")
def person_train(
    name: Name,
    directory: Annotated[Path | None, typer.Option("--dir", help="Folder of the project; found by default.")] = None,
) -> None:
    """Everything from clips to a trained portrait, its scores and the page; a stopped run goes on where it was.

    What the training needs is looked for before it begins. Pictures of how far it is come into previews/.
    """
    from gmbench.api.person import train_person

    used = train_person(name, directory, terminal.note)
    terminal.note(used)
    terminal.note(
        f"next: gmbench generate --speaker {name} --audio speech.wav -o speech.mp4; the page: reports/index.html"
    )
