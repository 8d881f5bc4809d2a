"""Acceptance tests 13 to 16 and 18 of FlowVQTalker: of its codebook and image generator, on held-out clips.

The landmarker and the emotion network are those that judge all systems; the pictures were not trained on them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gmbench.face.pose import pose_from_landmarks
from gmbench.media import Video
from gmbench.methods.flowvqtalker.drawing import Painter, Source
from gmbench.methods.flowvqtalker.image_generator import motion_windows
from gmbench.methods.interface import GenRequest
from gmbench.methods.pictures import resize
from gmbench.morphable.landmarks_478 import MOUTH_LOWER, MOUTH_UPPER
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.nn.pictures import to_signed
from gmbench.nn.vq import usage
from tests.acceptance.judges import Judges
from tests.acceptance.maths import mean, mouth_distance, psnr, ratio
from tests.acceptance.outcome import Outcome, at_least, at_most

YAW, ASKED = 1, 0.15
"""Column of the motion and the turn in radians of test 14."""
JAW = 0.8
"""Of test 15."""
STILL_FRAMES = 27
"""Of a track that does not move: as long as what a picture is drawn from."""


@dataclass(frozen=True)
class PictureClipRequest:
    """A held-out clip: its request by the true coefficients, its frames (T, S, S, 3), emotion and person's shape."""

    request: GenRequest
    frames: np.ndarray
    emotion: str
    shape: np.ndarray


class PictureMeasures:
    """All measures of one trained image generator.

    Args:
        painter: draws.
        clips: held-out ones of known people; strangers: clips of people whom nobody has met.
        step: frames between those that are looked at.
    """

    def __init__(
        self, painter: Painter, clips: Sequence[PictureClipRequest], strangers: Sequence[np.ndarray], step: int = 5
    ) -> None:
        self.painter, self.clips, self.strangers, self.step = painter, clips, strangers, step
        self.judges = Judges()

    def outcomes(self) -> list[Outcome]:
        """Every measure."""
        return [*self.codebook(), *self.pose(), *self.mouth(), *self.true_coefficients(), self.code_accuracy()]

    def codebook(self) -> list[Outcome]:
        """Test 13: held-out frames through encoder, codebook and decoder."""
        pairs = [(clip.frames[:: self.step], clip) for clip in self.clips]
        drawn = [self._reconstructed(frames) for frames, _ in pairs]
        seen = [self.judges.see(frames).emotion == clip.emotion for frames, clip in pairs]
        kept = [self.judges.see(d).emotion == clip.emotion for d, (_, clip) in zip(drawn, pairs, strict=True)]
        indices = torch.cat([self._codes(frames) for frames, _ in pairs])
        used, perplexity = usage(indices, self.painter.generator.code.settings.codes)
        rows = [
            at_least(13, "codebook: dB on held-out clips", _mean_psnr(drawn, [f for f, _ in pairs]), 27.4),
            at_least(13, "emotion seen in them", float(np.mean(kept)), 0.56),
            Outcome(13, "emotion seen in the clips themselves", float(np.mean(seen))),
            at_least(13, "share of codes used", used, 0.4),
            at_least(13, "perplexity of the codes", perplexity, 200),
        ]
        if self.strangers:
            frames = [clip[:: self.step] for clip in self.strangers]
            rows.insert(1, at_least(13, "dB on strangers", _mean_psnr(map(self._reconstructed, frames), frames), 23))
        return rows

    def pose(self) -> list[Outcome]:
        """Test 14: a turn that is asked for is seen, and none where none is."""
        moved, still = [], []
        for clip in self._people():
            beta, rho = _source_track(clip.request)
            turned = rho.copy()
            turned[:, YAW] += ASKED
            before, after = (self._yaw(self._drawn(clip, beta, motion)[-1:]) for motion in (rho, turned))
            moved.append(abs(after - before) / np.degrees(ASKED))
            still.append(abs(before - self._yaw(np.asarray(clip.request.source_image)[None])))
        share = float(np.mean(moved))
        return [
            Outcome(14, "turn of the head over what was asked", share, "0.5 to 1.5", 0.5 <= share <= 1.5),
            at_most(14, "turn where nothing was asked, degrees", still, 2.0),
        ]

    def mouth(self) -> list[Outcome]:
        """Test 15: a jaw that is asked to open opens the lips, beside what the face model shows."""
        model, shares = synthetic_model(), []
        jaw = int(np.searchsorted(model.beta_columns, model.column("jaw_open")))
        for clip in self._people():
            beta, rho = _source_track(clip.request)
            gaps = []
            for opened in (0.0, JAW):
                asked = beta.copy()
                asked[:, jaw] = opened
                drawn = _gap(self.judges.mesh(self._drawn(clip, asked, rho)[-1:]))
                side = clip.frames.shape[1]
                true = _gap(model.landmark_points(clip.shape, model.join(asked[-1:], rho[-1:, 10:]), rho[-1:], side))
                gaps.append((drawn, true))
            shares.append((gaps[1][0] - gaps[0][0]) / (gaps[1][1] - gaps[0][1]))
        return [at_least(15, "opening of the lips over the face model's", shares, 0.4)]

    def true_coefficients(self) -> list[Outcome]:
        """Test 16: by the true coefficients, beside the still source."""
        gains, drawn_distances, still_distances = [], [], []
        for clip in self.clips:
            real = clip.frames[:: self.step]
            drawn = self._drawn(clip, clip.request.expression, clip.request.motion)[:: self.step]
            still = np.repeat(np.asarray(clip.request.source_image)[None], len(real), 0)
            gains.append(psnr(drawn, real) - psnr(still, real))
            points = [self.judges.points(frames) for frames in (real, drawn, still)]
            for kept, moved in ((drawn_distances, points[1]), (still_distances, points[2])):
                kept.append(mouth_distance(moved, points[0]))
        return [
            at_least(16, "dB above the still source, true coefficients", gains, 1.5),
            at_most(
                16, "M-NLMD over that of the still source", ratio(mean(drawn_distances), mean(still_distances)), 0.7
            ),
        ]

    @torch.inference_mode()
    def code_accuracy(self) -> Outcome:
        """Test 18: codes that the transformer picks, against those of the true frame."""
        generator, side, hits = self.painter.generator, self.painter.side, []
        for clip in self.clips:
            motion = self.painter.motion(_source(clip.request), clip.request.expression, clip.request.motion)
            rows = list(range(0, len(motion), 2 * self.step))
            windows = torch.cat([motion_windows(motion, t, t + 1) for t in rows])
            source = _batch([resize(np.asarray(clip.request.source_image), side)]).expand(len(rows), -1, -1, -1)
            logits = generator(source, windows).logits
            true = self._codes(clip.frames[:: 2 * self.step]).flatten(1)
            hits.append(float((logits.argmax(-1) == true).float().mean()))
        chance = 1 / generator.code.settings.codes
        return at_least(18, "accuracy of codes over chance", float(np.mean(hits)) / chance, 10)

    def _drawn(self, clip: PictureClipRequest, beta: Any, rho: Any) -> np.ndarray:
        frames = self.painter.frames(_source(clip.request), beta, rho)
        return np.stack([resize(frame, clip.frames.shape[1]) for frame in frames])

    @torch.inference_mode()
    def _reconstructed(self, frames: np.ndarray) -> np.ndarray:
        drawn = np.concatenate([self.painter.reconstruct(frames[k : k + 8]) for k in range(0, len(frames), 8)])
        return np.stack([resize(frame, frames.shape[1]) for frame in drawn])

    @torch.inference_mode()
    def _codes(self, frames: np.ndarray) -> torch.Tensor:
        pictures = _batch([resize(frame, self.painter.side) for frame in frames])
        return self.painter.generator.code.quantise(pictures).indices

    def _people(self) -> list[PictureClipRequest]:
        """A clip of each person: source images are of the person, not of the clip."""
        return list({clip.request.speaker: clip for clip in self.clips}.values())

    def _yaw(self, frames: np.ndarray) -> float:
        points = self.judges.points(frames)
        return float(pose_from_landmarks(points, *frames.shape[1:3])[0, 1])


def _source(request: GenRequest) -> Source:
    expression, motion = np.asarray(request.source_expression), np.asarray(request.source_motion)
    return Source(np.asarray(request.source_image), expression, motion)


def _source_track(request: GenRequest) -> tuple[np.ndarray, np.ndarray]:
    """The source image's expression and motion as a track that does not move."""
    return (
        np.repeat(np.asarray(request.source_expression)[None], STILL_FRAMES, 0),
        np.repeat(np.asarray(request.source_motion)[None], STILL_FRAMES, 0),
    )


def _gap(points: np.ndarray) -> float:
    """Distance of the inner lips in pixels."""
    return float(np.linalg.norm(points[0, MOUTH_UPPER] - points[0, MOUTH_LOWER]))


def _batch(frames: Sequence[np.ndarray]) -> torch.Tensor:
    return to_signed(torch.from_numpy(np.stack(frames)))


def _mean_psnr(drawn: Iterator[np.ndarray] | Sequence[np.ndarray], real: Sequence[np.ndarray]) -> float:
    return float(np.mean([psnr(a, b) for a, b in zip(drawn, real, strict=True)]))


def read_frames(path: Any) -> np.ndarray:
    """(T, S, S, 3) of a video."""
    return np.stack(list(Video(path)))
