"""Videos against videos: folders of several methods, or one pair."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gmbench.api.paths import PathLike, as_path, path_or_none
from gmbench.api.result import Names, Result
from gmbench.api.workers import main_module_stays_here
from gmbench.clips import Clip, Pair
from gmbench.errors import GmbenchWarning, InputError
from gmbench.evaluation import protocol as protocols
from gmbench.evaluation.comparison import compare
from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.planning.inputs import Inputs, gather, limited
from gmbench.evaluation.planning.plan import Plan
from gmbench.evaluation.protocol import Protocol
from gmbench.evaluation.results import reasons
from gmbench.evaluation.run import Progress
from gmbench.evaluation.scoring.naming import split_names
from gmbench.executor import connection
from gmbench.face.faces import SIDECAR_SUFFIX
from gmbench.media import AUDIO_SUFFIXES, VIDEO_SUFFIXES

_MOST_REASONS = 10
_LOSSLESS = (".wav", ".flac")


def evaluate(
    videos: PathLike | Sequence[PathLike] | Mapping[str, PathLike] | None = None,
    reference: PathLike | None = None,
    metrics: Names = None,
    *,
    pairs: PathLike | None = None,
    audio: PathLike | None = None,
    labels: PathLike | None = None,
    dataset: str | None = None,
    controls: Names = None,
    interpolation: Mapping[str, PathLike] | None = None,
    protocol: str | Protocol = "full",
    landmarks: str | None = None,
    pose: str | None = None,
    extractors: str | None = None,
    sync_crop: str | None = None,
    precision: str | None = None,
    fid_frames: int | None = None,
    limit: int | None = None,
    device: str = "auto",
    workers: int = 1,
    scheduler: str | None = None,
    timeout: float | None = None,
    store: PathLike | None = None,
    batch_size: int = 16,
    progress: Progress | None = None,
) -> Result:
    """Compare folders of generated videos with real ones, as ``gmbench eval`` does.

    Args:
        videos: a folder, several, or folders by the methods' names; a folder without a name is called as itself.
        reference: folder of real videos of the same names.
        metrics: names in any spelling, or groups; all default metrics that the inputs and files allow otherwise.
        pairs: CSV that lists the files instead of folders.
        audio: folder of sounds; labels: CSV with ``clip``, ``speaker``, ``emotion``; dataset: its name in records.
        controls: rows made from the reference (``ground_truth``, ``still``, ...), or ``all``.
        interpolation: folders of sequences between emotions by method, for E-PPL and E-PDV.
        protocol: name, path of a YAML file, or a protocol; the fields below it change that one.
        limit: the first so many clips alone, to try something out.
        device: of the networks: ``cpu``, ``cuda``, ``cuda:1``, or ``auto`` for what ``GMBENCH_DEVICE`` says or the GPU
            that is there. With ``workers`` the processes decode and one asks the networks of the GPU for all.
        workers: processes on this machine; 1 works in this process and is safe in notebooks and scripts.
        scheduler: address of a dask scheduler instead; timeout: seconds to wait while it has no workers, no limit by
            default.
        store: folder of the features; ``GMBENCH_STORE`` or the user's cache by default.
        batch_size: frames read at a time.
        progress: called with groups of clips done and all groups.

    Returns:
        the numbers; nothing but features is written until :meth:`Result.save`.

    Raises:
        InputError: nothing to compare, an unknown name, or what a named metric needs is not given.
        WeightsError: a file that a named metric needs is missing.

    Warns:
        GmbenchWarning: what was left out, and why numbers are missing; see also :meth:`Result.missing`.
    """
    chosen = protocols.of(
        protocol, landmarks=landmarks, pose=pose, extractors=extractors, sync_crop=sync_crop, precision=precision,
        fid_frames=fid_frames, device=device,
    )  # fmt: skip
    sequences = {name: as_path(folder) for name, folder in (interpolation or {}).items()}
    if videos is None and pairs is None and reference is None and sequences:
        inputs = Inputs({}, (), dataset or "interpolation")
    else:
        inputs = gather(
            _folders(videos), [], path_or_none(reference), path_or_none(audio), path_or_none(pairs),
            path_or_none(labels), dataset,
        )  # fmt: skip
    with connection(scheduler, timeout):
        result = evaluate_inputs(
            limited(inputs, limit), chosen, split_names(metrics or []), split_names(controls or []), sequences,
            store=path_or_none(store), workers=workers, scheduler=scheduler, batch=batch_size, progress=progress,
        )  # fmt: skip
    _warn(result)
    return result


def evaluate_inputs(
    inputs: Inputs,
    protocol: Protocol,
    metrics: Sequence[str] = (),
    controls: Sequence[str] = (),
    sequences: Mapping[str, Path] | None = None,
    *,
    store: Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    batch: int = 16,
    progress: Progress | None = None,
    error_log: Path | None = None,
    on_plan: Callable[[Plan], None] | None = None,
) -> Result:
    """The evaluation of inputs that were gathered already; arguments as of :func:`.comparison.compare`."""
    with main_module_stays_here():
        compared = compare(
            inputs, protocol, metrics, controls, sequences, store=store, workers=workers, scheduler=scheduler,
            batch=batch, progress=progress, error_log=error_log, on_plan=on_plan,
        )  # fmt: skip
    arguments: dict[str, object] = {
        "dataset": inputs.dataset,
        "methods": list(inputs.methods),
        "protocol": compared.protocol.model_dump(),
        "metrics": list(metrics) or list(protocol.metrics) or "defaults",
        "controls": list(controls),
    }
    notes = compared.plan.warnings if compared.plan is not None else ()
    return Result(compared.records, notes, arguments, compared.plan)


def score(
    generated: PathLike,
    reference: PathLike | None = None,
    metrics: Names = None,
    *,
    audio: PathLike | None = None,
    emotion: str = "",
    protocol: str | Protocol = "full",
    landmarks: str | None = None,
    pose: str | None = None,
    extractors: str | None = None,
    sync_crop: str | None = None,
    precision: str | None = None,
    device: str = "auto",
    store: PathLike | None = None,
) -> dict[str, float]:
    """Numbers of one video, compared with a real one where there is one.

    Args:
        generated, reference: files, or folders of frames.
        metrics: names in any spelling, or groups; all default metrics that are possible otherwise.
        audio: sound of the generated video, instead of its own track or a file of its name beside it.
        emotion: that was asked for.
        protocol, landmarks, pose, extractors, sync_crop, precision, device, store: as of :func:`evaluate`.

    Returns:
        value by key, as in records; NaN where there is none, with a warning that says why.

    Raises:
        InputError, WeightsError: as :func:`evaluate`.
    """
    name = as_path(generated).stem
    clip = _clip(name, as_path(generated), emotion, path_or_none(audio))
    real = None if reference is None else _clip(name, as_path(reference), emotion)
    pair = Pair(name, clip, real, emotion=emotion)
    references = () if real is None else (Pair(name, None, real, emotion=emotion),)
    inputs = Inputs({"generated": [pair]}, references, name)
    chosen = protocols.of(
        protocol, landmarks=landmarks, pose=pose, extractors=extractors, sync_crop=sync_crop, precision=precision,
        device=device,
    )  # fmt: skip
    result = evaluate_inputs(inputs, chosen, split_names(metrics or []), store=path_or_none(store))
    _warn(result)
    values = dict(zip(result.encoded["metric"], result.encoded["value"], strict=True))
    return {key: float(values.get(key, math.nan)) for key in result.metrics}


def _clip(name: str, video: Path, emotion: str, audio: Path | None = None) -> Clip:
    """A file or folder of frames with the sound and the landmarks beside it; raises InputError where there is none."""
    if not video.exists():
        raise InputError(f"{video}: no such file")
    if video.is_file() and video.suffix.lower() not in VIDEO_SUFFIXES:
        raise InputError(f"{video}: expected a video or a folder of frames; known: {', '.join(sorted(VIDEO_SUFFIXES))}")
    stem = video.parent / (video.stem if video.is_file() else video.name)
    beside = [path for suffix in (*_LOSSLESS, *sorted(AUDIO_SUFFIXES)) if (path := Path(f"{stem}{suffix}")).is_file()]
    landmarks = Path(f"{stem}{SIDECAR_SUFFIX}")
    return Clip(
        name, video, audio or next(iter(beside), None), landmarks if landmarks.is_file() else None, emotion=emotion,
        audio_first=audio is not None,
    )  # fmt: skip


def _folders(videos: PathLike | Sequence[PathLike] | Mapping[str, PathLike] | None) -> dict[str, Path]:
    """Folders by the names of methods; raises InputError where two have one name."""
    if videos is None:
        return {}
    if isinstance(videos, Mapping):
        return {str(name): as_path(folder) for name, folder in videos.items()}
    listed = [videos] if isinstance(videos, str) or not isinstance(videos, Sequence) else list(videos)
    folders: dict[str, Path] = {}
    for folder in map(as_path, listed):
        name = folder.resolve().name
        if name in folders:
            raise InputError(f"two methods are called {name!r}; name them: videos={{'a': {str(folder)!r}, ...}}")
        folders[name] = folder
    return folders


def _warn(result: Result) -> None:
    """What a user must know of a result, by Python's warnings."""
    notes = list(result.warnings)
    groups = [
        group
        for group in reasons.reasons_of(result.encoded)
        if group.status != "undefined" or group.method not in CONTROLS  # a still head has no beats by definition
    ]
    for group in groups[:_MOST_REASONS]:
        clips = f"{len(group.clips)} clips" if len(group.clips) > 1 else group.clips[0]
        notes.append(f"{group.method}, {clips}: no value of {', '.join(group.metrics)}: {group.reason}")
    if len(groups) > _MOST_REASONS:
        notes.append(f"{len(groups) - _MOST_REASONS} more reasons of missing numbers: result.missing()")
    for note in notes:
        warnings.warn(note, GmbenchWarning, stacklevel=3)
