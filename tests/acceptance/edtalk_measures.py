"""What EDTalk's acceptance tests measure: swaps of one space, self-driven videos, lips and pose from sound."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from gmbench.face.pose import pose_from_landmarks
from gmbench.media import SAMPLES_PER_FRAME, Audio, Video, read_audio
from gmbench.methods.capabilities import Measures
from gmbench.methods.edtalk.drivers import signed, to_and_fro, video_weights
from gmbench.methods.edtalk.method import EDTalk
from gmbench.methods.edtalk.settings import SPACES
from gmbench.methods.interface import EmotionSpec, GenRequest, PreparedDataset
from gmbench.methods.pictures import resize
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.requests import source_clip
from tests.acceptance.outcome import Outcome, at_least, at_most

PAIRS = 16
"""Clips that are driven by a clip of the other speaker."""
INNER_LIPS, CORNERS = (62, 66), (60, 64)
UPPER = slice(17, 48)


@dataclass(frozen=True)
class HeldOutClip:
    """A test clip, its source picture, and its words."""

    clip_id: str
    speaker: str
    emotion: str
    video: Path
    source: np.ndarray
    transcript: str

    @property
    def audio(self) -> Audio:
        """Its sound."""
        return read_audio(self.video)


def held_out(run: PipelineRun, dataset: PreparedDataset) -> list[HeldOutClip]:
    """Test clips with the picture that all one-shot systems begin from."""
    clips = []
    for row in dataset.split("test"):
        first = source_clip(row, dataset.rows)
        picture = np.asarray(next(iter(Video(dataset.crops / first.video_path))))
        words = dataset.transcripts.get(row.clip_id, "")
        clips.append(HeldOutClip(row.clip_id, row.speaker, row.emotion, dataset.crops / row.video_path, picture, words))
    return clips


class EDTalkMeasures:
    """Numbers of one trained system on held-out clips.

    Args:
        method: loaded.
        clips: held out.
        measures: landmarks and emotions of frames.
    """

    def __init__(self, method: EDTalk, clips: Sequence[HeldOutClip], measures: Measures) -> None:
        self.method, self.clips, self.measures = method, clips, measures
        self.network = method.whole.network
        self.weights = [video_weights(self.network, clip.video, SPACES) for clip in clips]

    def outcomes(self) -> list[Outcome]:
        """Tests 1, 3, 4, 7, 10 and 11."""
        return [*self.bases(), *self.swaps(), *self.self_driven(), *self.lips(), *self.poses()]

    def bases(self) -> list[Outcome]:
        """Test 1."""
        if self.network.spaces.banks is None:
            return []
        bases = torch.cat(self.network.spaces.banks(), 1)
        worst = float((bases.T @ bases - torch.eye(bases.shape[1])).abs().max())
        return [at_most(1, "bases: largest error of orthonormality", worst, 1e-5)]

    def swaps(self) -> list[Outcome]:
        """Tests 3 and 4: one space follows a clip of the other speaker, the others stay at the source's."""
        mouth, order, turned, pose_r, pose_error, opened = [], [], [], [], [], []
        for n, other in self._pairs():
            real = self._points(self._film(self.clips[other].video))
            if real is None:
                continue
            still = self._own(n, len(real))
            for space in ("mouth", "pose"):
                driven = self.weights[other][space]
                track = torch.from_numpy(driven[to_and_fro(len(driven), len(real))])
                points = self._points(self._draw(n, {**still, space: track}))
                if points is None:
                    continue
                wanted, found = _opening(real), _opening(points)
                angles = pose_from_landmarks(points, 128, 128)
                truth = pose_from_landmarks(real, 128, 128)
                if space == "mouth":
                    mouth.append(np.ptp(found) / max(np.ptp(wanted), 1e-6))
                    order.append(spearmanr(wanted, found).statistic)
                    turned.append(np.abs(angles - angles.mean(axis=0)).mean())
                else:
                    two = [np.corrcoef(angles[:, axis], truth[:, axis])[0, 1] for axis in (0, 1)]
                    pose_r.append(np.mean(two))
                    centred = (angles - angles.mean(axis=0)) - (truth - truth.mean(axis=0))
                    pose_error.append(np.abs(centred).mean())
                    opened.append(np.ptp(found) / max(np.ptp(wanted), 1e-6))
        return [
            at_least(3, "mouth swap: lips' range over the driver's", _mean(mouth), 0.35),
            at_least(3, "mouth swap: rank correlation of the opening", _mean(order), 0.5),
            at_most(3, "mouth swap: pose moves, degrees", _mean(turned), 2.0),
            at_least(4, "pose swap: correlation of two angles", _mean(pose_r), 0.7),
            at_most(4, "pose swap: error without the mean, degrees", _mean(pose_error), 4.0),
            at_most(4, "pose swap: lips' range over the driver's", _mean(opened), 0.25),
        ]

    def self_driven(self) -> list[Outcome]:
        """Test 7: PSNR of self-driven videos over that of the still source."""
        gains = []
        for n in range(0, len(self.clips), 2):
            real = self._film(self.clips[n].video)
            drawn = self._draw(n, {name: torch.from_numpy(track) for name, track in self.weights[n].items()})
            still = np.broadcast_to(self._small(self.clips[n].source), real.shape)
            gains.append(_psnr(drawn, real) - _psnr(still, real))
        return [at_least(7, "self-driven: PSNR over the still source, dB", _mean(gains), 2.0)]

    def lips(self) -> list[Outcome]:
        """Test 10: weights of the mouth from sound against those of the video, five bases of largest variance."""
        every = np.concatenate([track["mouth"] for track in self.weights])
        largest = np.argsort(-every.var(axis=0))[:5]
        count = len(self.clips)
        heard = [self.method._mouth(self._request(n)).numpy() for n in range(count)]
        own = _mean([_correlation(heard[n], self.weights[n]["mouth"], largest) for n in range(count)])
        other = _mean([
            _correlation(heard[(n + count // 2 + 1) % count], self.weights[n]["mouth"], largest) for n in range(count)
        ])  # fmt: skip
        return [
            at_least(10, "lips from sound: correlation with the video's", own, 0.4),
            Outcome(10, "with another clip's sound", other, "<= half", other <= own / 2),
        ]

    def poses(self) -> list[Outcome]:
        """Test 11: seeds differ, and velocities are as large as real ones."""
        scale = self.method.poses.scale.deviation
        drawn = [np.stack([self._pose(n, seed) for seed in range(10)]) / scale for n in (0, len(self.clips) // 2)]
        apart = _mean([np.abs(part[:, None] - part[None]).mean() * 10 / 9 for part in drawn])
        real = np.concatenate([np.diff(track["pose"] / scale, axis=0) for track in self.weights]).std()
        speed = np.concatenate([np.diff(part, axis=1).reshape(-1, part.shape[2]) for part in drawn]).std()
        return [
            at_least(11, "pose: L1 between seeds in deviations", apart, 0.1),
            at_least(11, "pose: spread of velocities over real", float(speed / real), 0.5),
            at_most(11, "pose: the same", float(speed / real), 1.5),
        ]

    def mean_pose(self) -> list[Outcome]:
        """Test 11 of the regression: seeds do not differ."""
        apart = float(np.abs(self._pose(0, 0) - self._pose(0, 1)).max())
        return [at_most(11, "mean_pose: difference between seeds", apart, 0.0)]

    def _pose(self, clip: int, seed: int) -> np.ndarray:
        return np.asarray(self.method._pose(self._request(clip, seed)).numpy())

    def _request(self, clip: int, seed: int = 0) -> GenRequest:
        chosen = self.clips[clip]
        frames = len(self.weights[clip]["mouth"])
        audio = chosen.audio[: frames * SAMPLES_PER_FRAME]
        return GenRequest(
            chosen.clip_id, audio, EmotionSpec(), seed=seed, source_image=chosen.source, transcript=chosen.transcript
        )

    def _pairs(self) -> list[tuple[int, int]]:
        """Clips with a clip of another speaker."""
        pairs = []
        for n, clip in enumerate(self.clips):
            others = [k for k, other in enumerate(self.clips) if other.speaker != clip.speaker]
            if others:
                pairs.append((n, others[(7 * n) % len(others)]))
        return pairs[:: max(1, len(pairs) // PAIRS)][:PAIRS]

    def _own(self, clip: int, frames: int) -> dict[str, torch.Tensor]:
        """The source's own weights for so many frames."""
        with torch.inference_mode():
            own = self.network.weights(signed(self.network, [self.clips[clip].source]))
        return {name: part.expand(frames, -1) for name, part in own.items()}

    def _draw(self, clip: int, weights: dict[str, torch.Tensor]) -> np.ndarray:
        source = self.method._source(self._request(clip))
        return np.stack(list(self.method._frames(source, weights)))

    def _film(self, video: Path) -> np.ndarray:
        return np.stack([self._small(np.asarray(frame)) for frame in Video(video)])

    def _small(self, picture: np.ndarray) -> np.ndarray:
        return resize(picture, self.network.settings.side)

    def _points(self, frames: np.ndarray) -> np.ndarray | None:
        """Landmarks at 128 pixels; None where a frame shows no face."""
        if self.measures.landmarks is None:
            raise ValueError(f"no landmarks: {self.measures.missing}")
        points = self.measures.landmarks(np.stack([resize(frame, 128) for frame in frames]))
        return points if np.isfinite(points).all() else None


def _opening(points: np.ndarray) -> np.ndarray:
    """Distance of the inner lips over the mouth's width (T,)."""
    height, width = (np.linalg.norm(points[:, a] - points[:, b], axis=-1) for a, b in (INNER_LIPS, CORNERS))
    return np.asarray(height / width)


def _correlation(a: np.ndarray, b: np.ndarray, columns: np.ndarray) -> float:
    frames = min(len(a), len(b))
    return float(np.nanmean([np.corrcoef(a[:frames, k], b[:frames, k])[0, 1] for k in columns]))


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a.astype(float) - b) ** 2) / 255**2))


def _mean(values: Sequence[float]) -> float:
    return float(np.nanmean(values)) if len(values) else float("nan")
