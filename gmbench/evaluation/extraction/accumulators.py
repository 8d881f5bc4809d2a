"""How feature extractors turn the frames of a clip, one after another, into features."""

from collections.abc import Callable
from typing import Any
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from gmbench.audio.spectra import syncnet_mfcc
from gmbench.devices import CPU, Answer, Network, Networks
from gmbench.devices.choice import FLOAT32
from gmbench.errors import MediaError
from gmbench.evaluation.extraction.features import ClipContext, Frame
from gmbench.face.crops import Similarity, transform_points
from gmbench.metrics.emotion import SUITE_ORDER
from gmbench.metrics.sync import windows
from gmbench.store import Arrays

Crop = Callable[[int, Frame], Frame | None]
"""From a frame's number and pixels to what the network sees of it; None where that needs a face and there is none."""
Asked = Callable[[NDArray[Any]], Answer]
"""From crops (B, S, S, 3) to features (B, d), which may come later."""


def asked(networks: Networks, function: Callable[[Any, Any], Any], load: Callable[..., Any], *arguments: Any,
          precision: str = FLOAT32, batch: int = 64) -> Asked:  # fmt: skip
    """A network that is asked for crops; the arguments are those of :class:`gmbench.devices.Network`."""
    network = Network(function, load, arguments, precision, batch)
    return lambda crops: networks.ask(network, crops)


def in_batches(networks: Networks, on_cpu: int) -> int:
    """Crops that are given to a network at once: what the numbers of the CPU were made with, or more."""
    return on_cpu if networks.device == CPU else max(on_cpu, _HANDED_OVER)


def at_once(ask: Asked, rows: NDArray[Any], size: int) -> NDArray[Any]:
    """The answer for rows (n, ...), of which ``size`` are asked for at a time; n is at least 1."""
    answers = [ask(rows[start : start + size]) for start in range(0, len(rows), size)]
    return np.concatenate([answer.result() for answer in answers])


_HANDED_OVER = 32
"""Crops of a clip that go to another device together."""
RUN = 32
"""Crops of a run that a network of windows sees."""


class Stream(Interface):
    """Turns crops of the mouth that arrive one after another into embeddings."""

    def add(self, crop: Frame) -> None:
        """The next crop."""
        ...

    def embeddings(self) -> NDArray[np.float32]:
        """(T - 4, d), one row per window of five."""
        ...


class FrameAccumulator:
    """Runs a network over crops in batches of a fixed size; rows are NaN where there is no crop.

    The batches depend on the clip alone, so that neither workers nor reading sizes can change a digit.
    """

    def __init__(
        self, ask: Asked, crop: Crop, indices: NDArray[np.int64], batch: int,
        summarise: Callable[[NDArray[np.float32]], Arrays],
    ) -> None:  # fmt: skip
        self._ask, self._crop, self._batch, self._summarise = ask, crop, batch, summarise
        self._rows = {int(index): row for row, index in enumerate(indices)}
        self._pending: list[Frame] = []
        self._pending_rows: list[int] = []
        self._answers: list[tuple[list[int], Answer]] = []
        self._last: tuple[Frame, int] | None = None
        self._repeated: list[tuple[int, int]] = []

    def add(self, index: int, frame: Frame) -> None:
        """The next frame; one that repeats the last used frame shares its features."""
        row = self._rows.get(index)
        if row is None:
            return
        crop = self._crop(index, frame)
        if crop is None:
            return
        if self._last is not None and np.array_equal(crop, self._last[0]):
            self._repeated.append((row, self._last[1]))
            return
        self._last = crop, row
        self._pending.append(crop)
        self._pending_rows.append(row)
        if len(self._pending) == self._batch:
            self._flush()

    def finish(self) -> Arrays:
        """What ``summarise`` makes of the features (n, d)."""
        self._flush()
        if not self._answers:
            return self._summarise(np.empty((0, 0), np.float32))
        answers = [(rows, answer.result()) for rows, answer in self._answers]
        features = np.full((len(self._rows), answers[0][1].shape[1]), np.nan, np.float32)
        for rows, values in answers:
            features[rows] = values
        for row, source in self._repeated:
            features[row] = features[source]
        return self._summarise(features)

    def _flush(self) -> None:
        if not self._pending:
            return
        self._answers.append((self._pending_rows, self._ask(np.stack(self._pending))))
        self._pending, self._pending_rows = [], []


class WindowAccumulator:
    """Runs a network over windows of frames that follow on each other from the first; a rest is left out."""

    def __init__(self, ask: Asked, length: int) -> None:
        self._ask, self._length = ask, length
        self._pending: list[Frame] = []
        self._answers: list[Answer] = []

    def add(self, index: int, frame: Frame) -> None:
        """The next frame."""
        self._pending.append(frame)
        if len(self._pending) == self._length:
            self._answers.append(self._ask(np.stack(self._pending)[None]))
            self._pending = []

    def finish(self) -> Arrays:
        """``features`` (w, d); raises MediaError for a clip shorter than a window."""
        if not self._answers:
            raise MediaError(f"clip shorter than {self._length} frames")
        return {"features": np.concatenate([answer.result() for answer in self._answers])}


class RunsOfCrops:
    """Embeddings of windows of crops that are handed over in runs; the last crops of a run begin the next.

    Args:
        ask: from runs (B, :data:`RUN`, ...) to (B, RUN - window + 1, d).
        window: crops that an embedding sees.
    """

    def __init__(self, ask: Asked, window: int) -> None:
        self._ask, self._window = ask, window
        self._crops: list[Frame] = []
        self._answers: list[Answer] = []
        self._count = 0

    def add(self, crop: Frame) -> None:
        """The next crop."""
        self._crops.append(crop)
        self._count += 1
        if len(self._crops) == RUN:
            self._answers.append(self._ask(np.stack(self._crops)[None]))
            self._crops = self._crops[1 - self._window :]

    def embeddings(self) -> NDArray[np.float32]:
        """(T - window + 1, d) of the crops so far; too few give none."""
        windows = self._count - self._window + 1
        if windows < 1:
            return np.empty((0, 0), np.float32)
        if len(self._crops) >= self._window:
            rest = np.stack([*self._crops, *[self._crops[-1]] * (RUN - len(self._crops))])
            self._answers.append(self._ask(rest[None]))
        rows = np.concatenate([answer.result()[0] for answer in self._answers])
        return np.asarray(rows[:windows], np.float32)


class LipSyncAccumulator:
    """Embeddings of lips and sound, one row per window of five frames."""

    def __init__(
        self, context: ClipContext, crop: Crop, stream: Stream,
        sound: Callable[[NDArray[np.float64], int], NDArray[np.float32]],
    ) -> None:  # fmt: skip
        if context.audio is None:
            raise MediaError(context.audio_problem or "no sound")
        self._count = windows(context.frames, len(context.audio))
        if self._count < 1:
            raise MediaError("too short for a window of five frames with sound")
        self._crop, self._stream = crop, stream
        self._sound = sound(syncnet_mfcc(context.audio), self._count)

    def add(self, index: int, frame: Frame) -> None:
        """The next frame."""
        crop = self._crop(index, frame)
        if crop is None:
            raise MediaError("no crop of the mouth")
        self._stream.add(crop)

    def finish(self) -> Arrays:
        """``video`` and ``audio`` (M, d)."""
        return {"video": self._stream.embeddings()[: self._count], "audio": self._sound}


def spaced(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of ``count`` frames, equally spaced; all where ``most`` is 0."""
    if most == 0 or count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).round().astype(np.int64)


def interpolate_missing(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """A series (T, ...) with its NaN rows interpolated linearly, ends held; raises MediaError if all are NaN."""
    flat = series.reshape(len(series), -1)
    complete = np.flatnonzero(np.isfinite(flat).all(axis=1))
    if len(complete) == 0:
        raise MediaError("no face found")
    if len(complete) == len(flat):
        return series
    times = np.arange(len(flat))
    columns = [np.interp(times, complete, column[complete]) for column in flat.T]
    return np.stack(columns, axis=1).reshape(series.shape)


def shifted(matrix: Similarity, shift: NDArray[np.float64]) -> Similarity:
    """A similarity followed by a shift (2,)."""
    return np.column_stack([matrix[:, :2], matrix[:, 2] + shift])


def eat_sync_matrices(landmarks: NDArray[np.float64]) -> list[Similarity]:
    """One similarity per frame into EAT's 224-pixel SyncNet crop, of landmarks (T, 68, 2).

    The clip's mean eyes and mouth go to (87, 59), (137, 59), (112, 120); a shift that follows each frame's mouth,
    smoothed by 0.2 of the last one, is added. Source: EAT evaluation code.
    """
    from gmbench.face.crops import fit_similarity

    points_68 = interpolate_missing(landmarks)
    points = np.stack(
        [points_68[:, 36:42].mean(axis=1), points_68[:, 42:48].mean(axis=1), points_68[:, 60:68].mean(axis=1)], axis=1
    )
    target = np.array([[87.0, 59.0], [137.0, 59.0], [112.0, 120.0]])
    base = fit_similarity(points.mean(axis=0), target)
    result, last = [], np.zeros(2)
    for t, mouth in enumerate(points[:, 2]):
        raw = target[2] - transform_points(base, mouth)
        last = raw if t == 0 else 0.2 * last + 0.8 * raw
        result.append(shifted(base, last))
    return result


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities of logits (C,)."""
    e = np.exp(logits - np.max(logits))
    return np.asarray(e / e.sum(), np.float64)


def in_suite_order(probabilities: NDArray[np.floating], order: tuple[str, ...]) -> NDArray[np.float64]:
    """(8,) in the suite's order of probabilities in a network's order; 0 for emotions that it lacks."""
    result = np.zeros(len(SUITE_ORDER))
    for name, value in zip(order, probabilities, strict=True):
        result[SUITE_ORDER.index(name)] = value
    return result


def no_emotion() -> Arrays:
    """The stored features of a clip without a face."""
    return {"probabilities": np.full(len(SUITE_ORDER), np.nan), "faces": count(0)}


def count(number: int) -> NDArray[np.int64]:
    """A number in the form in which features are stored."""
    return np.array([number], np.int64)


def complete_rows(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows of features (n, d) without NaN."""
    return features[np.isfinite(features).all(axis=1)] if features.size else features


def only_complete(features: NDArray[np.float32]) -> Arrays:
    """``features`` of the frames that have some; raises MediaError where none has."""
    complete = complete_rows(features)
    if len(complete) == 0:
        raise MediaError("no frame could be used: the crop needs a face")
    return {"features": complete}
