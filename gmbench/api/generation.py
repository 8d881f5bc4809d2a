"""Videos by methods: of a sound file, with an emotion."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gmbench import config
from gmbench.api.paths import PathLike, as_path, path_or_none
from gmbench.config import FitSection
from gmbench.devices import AUTO, choose, dealt, using
from gmbench.devices.choice import known
from gmbench.errors import InputError
from gmbench.evaluation.run import Progress
from gmbench.executor import one_thread
from gmbench.media import Frames, Video, read_audio, write_video
from gmbench.methods import registry
from gmbench.methods.interface import (
    Drivers,
    EmotionSpec,
    GenRequest,
    HasFaceModel,
    Interpolates,
    NotSupported,
    ReferenceClip,
    TalkingHeadMethod,
)
from gmbench.names import closest
from gmbench.stages.fit_on_the_way import fit_file
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import STORE, PipelineRun
from gmbench.stages.system_videos import STEPS, generate_frames, write_sequence
from gmbench.stages.train import checkpoint_folder
from gmbench.store import Store


def generate(
    audio: PathLike,
    out: PathLike,
    *,
    method: str | TalkingHeadMethod = "gmtalker",
    emotion: str = "",
    emotion_end: str = "",
    reference: PathLike | None = None,
    mouth_from: PathLike | None = None,
    pose_from: PathLike | None = None,
    expression_from: PathLike | None = None,
    speaker: str = "",
    source: PathLike | None = None,
    transcript: str = "",
    seed: int = 0,
    temperature: float | None = None,
    options: Mapping[str, float] | None = None,
    models: PathLike | None = None,
    dataset: str | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Make a video of a person saying something with an emotion, as ``gmbench generate`` does.

    Args:
        audio: speech, any sound file of any length.
        out: the video; or, with ``emotion_end``, a folder without a suffix for pictures of one instant between them.
        method: name of a method that was trained here, with its ablations and seed; or an object of
            :class:`gmbench.Method` that is loaded already.
        emotion: ``happy``, ``happy:0.7``, or ``happy=0.5,angry=0.5``.
        emotion_end: emotion of the last frame; the video moves there in equal steps.
        reference: video that shows the emotion, instead of ``emotion``.
        mouth_from, pose_from, expression_from: videos that drive these, for a method whose card says so; what none
            drives comes from sound and words.
        speaker: person; the first that was learnt by default.
        source: picture or video of the person, for a one-shot method.
        transcript: words, for a method that reads them.
        seed: of everything random; temperature: spread of what is sampled.
        options: numbers of the method's own, by the names in its card, for example ``{"guidance": 3}``.
        models: folder of the checkpoints; dataset: of ``params.yaml`` here, whose checkpoints are used otherwise.
        device: of a method that is named; ``params.yaml``'s by default, ``auto`` without one.
        progress: called with frames done and all frames.

    Returns:
        path of what was written.

    Raises:
        InputError: what the method needs is not given, or it cannot do this. WeightsError: it is not trained.
    """
    loaded = trained(method, path_or_none(models), dataset, device) if isinstance(method, str) else method
    request = _request(
        loaded, as_path(audio), emotion, emotion_end, path_or_none(reference), speaker, path_or_none(source),
        transcript, seed, temperature, options or {},
    )  # fmt: skip
    films = (path_or_none(path) for path in (mouth_from, pose_from, expression_from))
    request = replace(request, drivers=_drivers(loaded, request, Drivers(*films)))
    request = _fitted(loaded, request, path_or_none(source), dataset)
    path = as_path(out)
    with one_thread():
        if emotion_end and not path.suffix:
            _write_steps(loaded, request, path, EmotionSpec.parse(emotion_end), (emotion, emotion_end))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            _, frames = generate_frames(loaded, request)
            write_video(path, _watched(frames, request.frames, progress), request.audio, generated_by=loaded.card.title)
    return path


def project(dataset: str | None, device: str | None = None) -> PipelineRun:
    """The run that ``params.yaml`` of this folder describes, on one dataset; the first that is evaluated by default.

    A device goes before that of ``params.yaml``.

    Raises:
        InputError: no such file or dataset.
    """
    params = config.load()
    params = params.model_copy(update={"device": known(device or params.device)})
    name = dataset or next(iter(params.evaluate), "")
    if name not in params.datasets:
        raise InputError(f"params.yaml: unknown dataset {name!r}; {closest(name, params.datasets)}")
    return PipelineRun(params, DatasetPaths(name), Store(STORE))


def trained(
    method: str, models: Path | None = None, dataset: str | None = None, device: str | None = None
) -> TalkingHeadMethod:
    """A method by its name with what training wrote: in a folder, or by ``params.yaml`` of this folder.

    Its networks are on a device: the one that is named, else ``params.yaml``'s, else what ``auto`` is.

    Raises:
        InputError: an unknown method, or one that is not trained. NotSupported: a name with a drive.
    """
    system = registry.System.parse(method)
    if system.drives:
        raise NotSupported(f"{method}: there is no clip here for {system.drive}; use 'gmbench eval --method'")
    where = device or (config.load().device if config.FILE.exists() else AUTO)
    with using(dealt(choose(where), 0)):
        return registry.load(system.method, models or checkpoint_folder(project(dataset), system))


def _request(
    method: TalkingHeadMethod, audio: Path, emotion: str, emotion_end: str, reference: Path | None, speaker: str,
    source: Path | None, transcript: str, seed: int, temperature: float | None, options: Mapping[str, float],
) -> GenRequest:  # fmt: skip
    if reference is not None and (emotion or emotion_end):
        raise InputError("reference and emotion each name the emotion; give one of them")
    if emotion_end and not emotion:
        raise InputError("emotion_end needs emotion, where the video begins")
    if emotion_end:
        _ways(method)
    spec = EmotionSpec(clip=reference) if reference is not None else EmotionSpec.parse(emotion) if emotion else None
    return GenRequest(
        audio.stem, read_audio(audio), spec or EmotionSpec(), speaker or next(iter(method.speakers), ""), seed,
        temperature=temperature, emotion_end=EmotionSpec.parse(emotion_end) if emotion_end else None,
        source_image=None if source is None else _square(source), transcript=transcript,
        reference=None if reference is None else ReferenceClip(reference.stem, reference, read_audio(reference)),
        options=dict(options),
    )  # fmt: skip


def _drivers(method: TalkingHeadMethod, request: GenRequest, given: Drivers) -> Drivers | None:
    """Videos that drive parts; raises NotSupported for a part that the method takes from none, InputError for two."""
    parts = [name for name, path in vars(given).items() if path is not None]
    for name in parts:
        if name not in method.card.drivers:
            known = ", ".join(method.card.drivers) or "nothing"
            raise NotSupported(f"{name}_from: {method.card.title} takes {known} from videos")
    if given.expression is not None and request.emotion.kind != "none":
        raise InputError("expression_from, emotion and reference each name the emotion; give one of them")
    return given if parts else None


def _fitted(method: TalkingHeadMethod, request: GenRequest, source: Path | None, dataset: str | None) -> GenRequest:
    """The request with coefficients of its source image and reference, for a method that works with them."""
    wants_source = source is not None and "source_expression" in method.card.needs
    if not isinstance(method, HasFaceModel) or not (wants_source or request.reference is not None):
        return request
    landmarks, settings = _fit_settings(dataset)
    changes: dict[str, Any] = {}
    with one_thread():
        if wants_source and source is not None:
            beta, rho = fit_file(source, method.face_model, landmarks, settings)
            changes |= {"source_expression": beta[0], "source_motion": rho[0]}
        if (reference := request.reference) is not None:
            beta, rho = fit_file(reference.video, method.face_model, landmarks, settings)
            changes["reference"] = replace(reference, expression=beta, motion=rho)
    return replace(request, **changes)


def _fit_settings(dataset: str | None) -> tuple[str, FitSection]:
    """Landmark backend and fit of ``params.yaml`` here, or the defaults where there is none."""
    if dataset is None and not config.FILE.exists():
        return "mediapipe", FitSection()
    run = project(dataset)
    return run.params.datasets[run.paths.dataset].landmarks, run.params.fit


def _square(source: Path) -> Frames:
    """The first frame of a source; raises InputError where it is not square, since methods expect the crops' form."""
    image = next(iter(Video(source)))
    if image.shape[0] != image.shape[1]:
        raise InputError(f"{source}: expected a square picture of the face, got {image.shape[1]}x{image.shape[0]}")
    return image


def _write_steps(
    method: TalkingHeadMethod, request: GenRequest, folder: Path, last: EmotionSpec, ends: tuple[str, str]
) -> None:
    """Pictures of one instant between two emotions."""
    interpolating, way = _ways(method)
    steps = interpolating.interpolate(request, request.emotion, last, STEPS, way)
    write_sequence(steps, folder, request.speaker, ends)


def _ways(method: TalkingHeadMethod) -> tuple[Interpolates, str]:
    """The method and its default way between emotions; raises NotSupported where it has none."""
    if not isinstance(method, Interpolates) or not method.card.interpolations:
        raise NotSupported(f"{method.card.title} does not interpolate between emotions")
    return method, method.card.interpolations[0].name


def _watched(frames: Iterator[Frames], total: int, progress: Progress | None) -> Iterator[Frames]:
    for done, frame in enumerate(frames, 1):
        if progress is not None:
            progress(done, total)
        yield frame
