"""Commands about data: the corpus, datasets, face models, profiles."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmbench.commands import terminal
from gmbench.commands.options import JsonFlag
from gmbench.errors import InputError

if TYPE_CHECKING:
    from gmbench.morphable.model import FaceModel

corpus_app = typer.Typer(help="The synthetic corpus: talking heads that need no licence.", no_args_is_help=True)
data_app = typer.Typer(help="Datasets: what is there, what is missing.", no_args_is_help=True)
facemodel_app = typer.Typer(help="Face models: make the synthetic one, convert FaceVerse's.", no_args_is_help=True)
profile_app = typer.Typer(help="Configurations of the pipeline.", no_args_is_help=True)


@corpus_app.callback()
@profile_app.callback()
@data_app.callback()
@facemodel_app.callback()
def _group() -> None:
    """Keep the names of single commands."""


@corpus_app.command("make")
def corpus_make(
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    speakers: Annotated[int, typer.Option(min=1)] = 4,
    sentences: Annotated[int, typer.Option(min=1, help="Takes of each emotion and level.")] = 4,
    levels: Annotated[str, typer.Option(help="Some of 1,2,3.")] = "1,2,3",
    frames: Annotated[int, typer.Option(min=30, help="Length of a clip; 25 per second.")] = 50,
    size: Annotated[int, typer.Option(min=32, help="Side of the pictures in pixels.")] = 128,
    pretraining_speakers: Annotated[int, typer.Option(min=0, help="More people, with large head motion.")] = 0,
    pretraining_clips: Annotated[int, typer.Option(min=0)] = 10,
    unseen_speakers: Annotated[int, typer.Option(min=0, help="More people, for tests alone, in 'unseen'.")] = 0,
    seed: int = 0,
    workers: Annotated[int, typer.Option(min=1)] = 1,
    store: Annotated[Path | None, typer.Option(help="Feature store; finished clips are kept there.")] = None,
) -> None:
    """Make a corpus in MEAD's layout with all of its ground truth."""
    from gmbench.corpus.make import make
    from gmbench.corpus.takes import CorpusSettings
    from gmbench.store import Store, default_root

    try:
        chosen = tuple(int(level) for level in levels.split(","))
    except ValueError:
        raise InputError(f"--levels: expected some of 1,2,3, got {levels!r}") from None
    settings = CorpusSettings(
        seed=seed,
        speakers=speakers,
        levels=chosen,
        sentences=sentences,
        frames=frames,
        size=size,
        pretraining_speakers=pretraining_speakers,
        pretraining_clips=pretraining_clips if pretraining_speakers else 0,
        unseen_speakers=unseen_speakers,
    )
    with terminal.progress("drawing") as report:
        count = make(out, settings, Store(store or default_root()), workers, report=report)
    terminal.note(f"{count} clips in {out}, ground truth in {out / 'truth'}")


@corpus_app.command("probe")
def corpus_probe(
    speakers: Annotated[int, typer.Option(min=1)] = 4,
    sentences: Annotated[int, typer.Option(min=1, help="Takes of each emotion and level.")] = 5,
    seed: int = 0,
    as_json: JsonFlag = False,
) -> None:
    """Say how well classifiers tell the emotion of a corpus from its sound, shape and skin, beside the bands.

    The bands belong to 4 speakers and 5 sentences; nothing is written. Exits with 2 outside of a band.
    """
    from gmbench.corpus import probe
    from gmbench.corpus.takes import CorpusSettings
    from gmbench.morphable.synthetic.model import synthetic_model

    settings = CorpusSettings(seed=seed, speakers=speakers, sentences=sentences)
    with terminal.progress("drawing") as report:
        accuracies = probe.accuracies(probe.collect(synthetic_model(), settings, report=report))
    rows = [
        {"from": name, "accuracy": round(accuracies[name], 3), "low": low, "high": high}
        for name, (low, high) in probe.BANDS.items()
    ]
    if as_json:
        terminal.print_json(rows)
    else:
        terminal.print_list(
            ("emotion from", "accuracy", "band"),
            [(str(r["from"]), f"{r['accuracy']:.3f}", f"{r['low']:.2f} to {r['high']:.2f}") for r in rows],
        )
    outside = [name for name, (low, high) in probe.BANDS.items() if not low <= accuracies[name] <= high]
    if outside:
        raise InputError(f"outside of the band: {', '.join(outside)}; is it the corpus of 4 speakers and 5 sentences?")


@data_app.command("check")
def data_check(
    folder: Annotated[Path, typer.Argument(help="Root of the raw data.")],
    dataset: Annotated[str | None, typer.Option(help="Layout; recognised from the folder by default.")] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Decode every picture, not the first of each clip.")] = False,
    workers: Annotated[int, typer.Option(min=1)] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Say what is there, missing, corrupt, silent, or a Git-LFS pointer. Exits with 2 if nothing is usable.

    Without --deep the first picture and all of the sound are decoded: damage in the middle of a video is not seen.
    """
    from gmbench.datasets.check import check
    from gmbench.datasets.readers import layout_hint, recognise

    kind = dataset or recognise(folder)
    hint = layout_hint(folder) if dataset is None and kind == "folder" else ""
    terminal.print_warnings([f"{folder}: read as loose videos{hint}"] if hint else [])
    with terminal.progress("checking") as report:
        result = check(kind, folder, workers, report, deep=deep)
    if as_json:
        rows = [{"path": p.path, "kind": p.kind, "reason": p.reason} for p in result.problems]
        facts = {"dataset": kind, "clips": len(result.rows), "problems": result.counts(), "deep": deep}
        terminal.print_json([facts, *rows])
    else:
        splits = dict(sorted(Counter(row.split for row in result.rows).items()))
        speakers = len({row.speaker for row in result.rows})
        terminal.line(f"{kind}: {len(result.rows)} usable clips of {speakers} speakers, splits {splits}")
        depth = "all pictures" if deep else "the first picture (--deep: all)"
        terminal.line(f"decoded of each clip: {depth} and all of the sound")
        if result.problems:
            terminal.print_list(("file", "problem", "reason"), [(p.path, p.kind, p.reason) for p in result.problems])
    if not result.rows:
        raise InputError(f"{folder}: no usable clip among {len(result.problems)} problems")


@data_app.command("list")
def data_list(as_json: JsonFlag = False) -> None:
    """Datasets that gmbench and other packages read, and whom to ask for them."""
    from gmbench.datasets.readers import DATASETS

    rows: list[dict[str, Any]] = [
        {"dataset": name, "emotions": item.emotions, "crop": item.crop, "package": DATASETS.package(name),
         "obtain": item.obtain}
        for name, item in DATASETS.all().items()
    ]  # fmt: skip
    if as_json:
        terminal.print_json(rows)
        return
    terminal.print_list(
        ("dataset", "emotions", "crop", "package", "obtain"),
        [
            (row["dataset"], str(len(row["emotions"]) or "-"), str(row["crop"]), row["package"], row["obtain"])
            for row in rows
        ],
        head=4,
    )


@data_app.command("requests")
def data_requests(
    dataset: Annotated[str | None, typer.Option(help="Of params.yaml; the first that is evaluated by default.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the list and all that it names but real clips.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the test clips that a method must make videos of: sound, source picture, emotion, level, length, name.

    With --out all that a method outside needs is written there, and the list is what 'gmbench eval --pairs' reads.
    """
    from dataclasses import asdict

    from gmbench.api.generation import project
    from gmbench.stages import request_list

    run = project(dataset)
    found = request_list.write(run, out) if out else request_list.requests(run, Path())
    if as_json:
        terminal.print_json([asdict(request) for request in found])
    elif not out:
        head = ("clip", "speaker", "emotion", "level", "frames", "source")
        rows = [(r.clip, r.speaker, r.emotion, str(r.level), str(r.frames), Path(r.source).stem) for r in found]
        terminal.print_list(head, rows, head=6)
    if out:
        options = " ".join(request_list.evaluation_options(run))
        terminal.note(
            f"{len(found)} clips: {out / request_list.FILE}; its column 'generated' says where each video belongs"
        )
        terminal.note(f"then: gmbench eval --pairs {out / request_list.FILE} --method NAME {options}")
    else:
        terminal.note(f"{len(found)} clips; --out FOLDER writes their sounds, source pictures and {request_list.FILE}")


@facemodel_app.command("synth")
def facemodel_synth(
    out: Annotated[Path, typer.Argument(help="File to write, .npz.")] = Path("face_model.npz"), seed: int = 0
) -> None:
    """Write the synthetic face model: FaceVerse v3's keys and dimensions, no licence."""
    from gmbench.morphable.synthetic.model import synthetic_model

    _save(synthetic_model(seed), out)


@facemodel_app.command("convert")
def facemodel_convert(
    source: Annotated[Path, typer.Argument(help="FaceVerse v3 file, .npy.")],
    out: Annotated[Path, typer.Argument(help="File to write, .npz.")] = Path("face_model.npz"),
) -> None:
    """Read a FaceVerse file in a restricted unpickler and write it in gmbench's axes, without pickles."""
    from gmbench.morphable.convert import from_raw, read_raw

    _save(from_raw(read_raw(source), str(source)), out)


def _save(model: "FaceModel", out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    model.save(out.with_suffix(".npz"))
    size = f"{len(model.mean)} vertices, {len(model.triangles)} triangles, lids {model.blink_columns}"
    terminal.note(f"{out.with_suffix('.npz')}: {size}")


@profile_app.command("use")
def profile_use(
    name: str,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a params.yaml that was edited.")] = False,
) -> None:
    """Write params.yaml from a profile."""
    from gmbench.config import FILE, use_profile

    use_profile(name, force=force)
    terminal.note(f"{FILE}: profile {name}")


@profile_app.command("check")
def profile_check() -> None:
    """Look through params.yaml before any stage runs: unknown keys and names, files that are not there."""
    from gmbench import config, params_check

    found = params_check.problems(config.load())
    for problem in found:
        terminal.error(f"{config.FILE}: {problem}")
    if found:
        raise typer.Exit(InputError.exit_code)
    terminal.note(f"{config.FILE}: nothing is wrong with it")


@profile_app.command("list")
def profile_list() -> None:
    """Profiles that ship with gmbench."""
    from gmbench.config import profiles, summary

    terminal.print_list(("profile", "what"), [(name, summary(text)) for name, text in profiles().items()])
