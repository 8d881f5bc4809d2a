"""What an outside method is asked for: sound, source picture, emotion and name of each clip that is scored.

The rules are those of :mod:`gmbench.stages.requests`, so that everybody is asked for the same.
"""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from gmbench.errors import InputError
from gmbench.evaluation.protocol import load as load_protocol
from gmbench.media import FPS, Video, read_audio, write_audio
from gmbench.methods.card import MethodCard
from gmbench.stages.evaluation_plan import evaluation_protocol
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.requests import RequestPlanner, cut_audio
from gmbench.stages.scored_clips import scored_rows
from gmbench.store import write_atomically

FILE, VIDEOS = "requests.csv", "videos"
_ANYBODY = MethodCard("outside", "", "dropin", ("label",), "label", "generate", "generate", "generate")
"""Asks for a source picture and a label, as a request has for any one-shot method."""


@dataclass(frozen=True)
class ClipRequest:
    """One line of the list. Paths are relative to the list, which ``gmbench eval --pairs`` reads as it is.

    Attributes:
        clip: name of the clip in records.
        generated: where the method's video belongs.
        reference: the real clip; not for the method to see.
        speaker, emotion, level, transcript: as the dataset has them; empty or 0 where it has none.
        speech: sound that is spoken, 16 kHz mono, as long as the clip.
        source: picture of the speaker, from a clip that is not scored where there is one.
        emotion_clip: video that shows the emotion, for a method that takes it from one; empty where there is none.
        frames, fps, width, height: of the reference.
    """

    clip: str
    generated: str
    reference: str
    speaker: str
    emotion: str
    level: int
    transcript: str
    speech: str
    source: str
    emotion_clip: str
    frames: int
    fps: int
    width: int
    height: int


def requests(run: PipelineRun, folder: Path) -> list[ClipRequest]:
    """The requests of all clips of the split that is scored, with paths as seen from a folder; nothing is written.

    Raises:
        InputError: the dataset is not prepared, or has no clip in that split.
    """
    return [request for request, *_ in _planned(run, folder)]


def write(run: PipelineRun, folder: Path) -> list[ClipRequest]:
    """Write the list with all that it names but the real clips; the folder's ``videos`` waits for the method's.

    Raises:
        InputError: as :func:`requests`. MediaError: a clip's sound is not as long as its picture.
    """
    planned = _planned(run, folder)
    (folder / VIDEOS).mkdir(parents=True, exist_ok=True)
    pictures: dict[str, Path] = {}
    for request, source, shown in planned:
        reference, sound = folder / request.reference, folder / request.speech
        sound.parent.mkdir(exist_ok=True)
        write_audio(sound, cut_audio(read_audio(reference), request.frames, request.clip))
        pictures[request.source] = source
        if shown is not None:
            write_atomically(folder / request.emotion_clip, shown.read_bytes())
    for name, source in pictures.items():
        rgb = np.asarray(next(iter(Video(source))))
        write_atomically(folder / name, cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes())
    found = [request for request, *_ in planned]
    write_atomically(folder / FILE, as_csv(found).encode())
    return found


def as_csv(found: Sequence[ClipRequest]) -> str:
    """The list as a table of comma-separated values."""
    text = io.StringIO()
    table = csv.DictWriter(text, [field.name for field in fields(ClipRequest)], lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(request) for request in found)
    return text.getvalue()


def evaluation_options(run: PipelineRun) -> list[str]:
    """Options under which ``gmbench eval`` gives numbers that join the pipeline's.

    Raises:
        InputError: there are none, since the pipeline judges the dataset as no protocol with these options does.
    """
    section = run.params.datasets[run.paths.dataset]
    plain = load_protocol(section.protocol, landmarks=section.landmarks, extractors=section.extractors)
    if plain.hash != evaluation_protocol(section, plain.device).hash:
        raise InputError(
            f"{run.paths.dataset}: its emotion network is not that of protocol {section.protocol}; name one that has"
            " it as the dataset's protocol in params.yaml, such as eat128_crema_d"
        )
    named = {"dataset": run.paths.dataset, "protocol": section.protocol, "landmarks": section.landmarks,
             "extractors": section.extractors, "store": str(run.store.root)}  # fmt: skip
    if run.params.evaluation.metrics:
        named["metrics"] = ",".join(run.params.evaluation.metrics)
    return [part for name, value in named.items() for part in (f"--{name}", value)]


def _planned(run: PipelineRun, folder: Path) -> list[tuple[ClipRequest, Path, Path | None]]:
    """Each request with the video whose first frame is its source picture, and the one that shows its emotion."""
    if not run.paths.cropped.exists():
        raise InputError(f"{run.paths.cropped}: the clips are not prepared; run 'make demo' or 'dvc repro' first")
    planner = RequestPlanner(run, _ANYBODY)
    planned = []
    for row in scored_rows(run):
        inputs = planner.inputs(row, ())
        source, other = inputs.source or inputs.clip, planner.reference(row) if row.emotion else None
        shown = other if other and other.row.clip_id != row.clip_id else None
        info = Video(inputs.clip.video).info
        name = row.video_path.removesuffix(".mp4")
        request = ClipRequest(
            name, f"{VIDEOS}/{row.video_path}", _seen_from(folder, inputs.clip.video), row.speaker,
            row.emotion, row.level, inputs.transcript, f"speech/{name}.wav",
            f"source/{source.row.video_path.removesuffix('.mp4')}.png",
            f"emotion/{shown.row.video_path}" if shown else "",
            info.frames, FPS, info.width, info.height,
        )  # fmt: skip
        planned.append((request, source.video, shown.video if shown else None))
    return planned


def _seen_from(folder: Path, path: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
