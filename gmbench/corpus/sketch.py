"""Sketched talking heads: drawn faces with speech-like sound and known landmarks and pose.

They let every command run without data, weights or a network connection. A head is the canonical face
turned by a smooth random motion, its mouth follows the loudness of random syllables, and it
comes to rest on each. Two imitations of each clip stand for methods: ``near`` follows the real motion with small
errors, ``far`` moves on its own, less, and is blurred.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from gmbench.face.faces import SIDECAR_SUFFIX
from gmbench.face.landmarks_68 import template_3d
from gmbench.face.pose import FOCAL_PER_HEIGHT, matrix_from_euler
from gmbench.media import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME, Audio, Frames, write_video

METHODS = ("near", "far")
_DISTANCE = 38.0  # centimetres from the camera
_SKIN = np.array([[224, 182, 152], [190, 140, 110], [240, 205, 180], [150, 105, 80]], float)


@dataclass(frozen=True)
class Sketch:
    """Everything that a clip is drawn from.

    Attributes:
        size: height and width in pixels.
        pose: (T, 3) pitch, yaw, roll in degrees.
        mouth: (T,) opening in [0, 1].
        audio: int16, 640 samples per frame.
        speaker: decides colours and proportions.
        blur: sigma in pixels.
    """

    size: int
    pose: NDArray[np.float64]
    mouth: NDArray[np.float64]
    audio: Audio
    speaker: int
    blur: float = 0.0

    def matrices(self) -> NDArray[np.float64]:
        """(T, 4, 4) pose of the canonical face, as MediaPipe gives it."""
        result = np.tile(np.eye(4), (len(self.pose), 1, 1))
        result[:, :3, :3] = [matrix_from_euler(angles) for angles in self.pose]
        result[:, 2, 3] = -_DISTANCE
        return result

    def landmarks(self) -> NDArray[np.float64]:
        """(T, 68, 2) pixels."""
        shape = template_3d() * (1.0 + 0.06 * np.sin(self.speaker + np.arange(3)))
        lower = np.r_[55:60, 65:68]
        opened = np.repeat(shape[None], len(self.mouth), axis=0)
        opened[:, lower, 1] -= 2.2 * self.mouth[:, None]
        opened[:, 5:12, 1] -= 1.2 * self.mouth[:, None]
        matrices = self.matrices()
        placed = np.einsum("tij,tpj->tpi", matrices[:, :3, :3], opened) + matrices[:, None, :3, 3]
        focal = FOCAL_PER_HEIGHT * self.size
        flat = placed[..., :2] / -placed[..., 2:] * focal
        return np.asarray(flat * [1.0, -1.0] + self.size / 2)

    def frames(self) -> Iterator[Frames]:
        """Frames (size, size, 3), one at a time."""
        generator = np.random.default_rng(self.speaker)
        background = cv2.GaussianBlur(generator.uniform(60, 190, (self.size, self.size, 3)), (0, 0), self.size / 12)
        background += generator.normal(0, 3, background.shape)
        for points in self.landmarks():
            frame = _draw(np.clip(background, 0, 255).astype(np.uint8), points, _SKIN[self.speaker % len(_SKIN)])
            yield np.asarray(cv2.GaussianBlur(frame, (0, 0), self.blur), np.uint8) if self.blur else frame


def draw_clip(seed: int, speaker: int, seconds: float = 4.0, size: int = 192) -> Sketch:
    """A clip of random speech and motion; the same seed gives the same clip."""
    generator = np.random.default_rng([seed, speaker])
    frames = int(seconds * FPS)
    onsets = np.cumsum(generator.uniform(0.35, 0.9, int(3 * seconds) + 2))
    onsets = onsets[onsets < seconds - 0.3]
    audio, loudness = _speech(generator, onsets, frames, 110.0 + 25.0 * (speaker % 5))
    pose = gaussian_filter1d(generator.normal(0, 1, (frames, 3)), 12.0, axis=0, mode="nearest") * [12.0, 30.0, 12.0]
    time = np.arange(frames)[:, None] / FPS
    turns = (onsets[1:] + onsets[:-1]) / 2
    signs = 5.0 * (-1.0) ** np.arange(len(turns))
    pose[:, 0] += (signs * np.tanh((time - turns) / 0.08)).sum(axis=1)
    return Sketch(size, pose, gaussian_filter1d(loudness, 1.0), audio, speaker)


def imitate(real: Sketch, method: str, seed: int) -> Sketch:
    """The clip of a pretended method; see the module."""
    generator = np.random.default_rng([seed, real.speaker, METHODS.index(method)])
    noise = gaussian_filter1d(generator.normal(0, 1, real.pose.shape), 6.0, axis=0)
    if method == "near":
        mouth = np.clip(real.mouth + 0.05 * generator.normal(0, 1, real.mouth.shape), 0, 1)
        return replace(real, pose=real.pose + 1.5 * noise, mouth=mouth)
    return replace(real, pose=6.0 * noise, mouth=0.6 * np.roll(real.mouth, 4), blur=1.2)


def write_sketches(
    folder: Path, speakers: int = 8, clips: int = 2, seconds: float = 4.0, size: int = 192, seed: int = 0
) -> None:
    """Write ``reference``, ``near`` and ``far``, each with ``<speaker>/<clip>.mp4`` and its landmarks."""
    for speaker in range(speakers):
        for clip in range(clips):
            real = draw_clip(1000 * seed + clip, speaker, seconds, size)
            sketches = {"reference": real} | {name: imitate(real, name, clip) for name in METHODS}
            for name, sketch in sketches.items():
                write_sketch(folder / name / f"S{speaker:03d}" / f"{clip:03d}.mp4", sketch)


def write_sketch(path: Path, sketch: Sketch) -> None:
    """One clip as MP4 with sound, and its landmarks beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, sketch.frames(), sketch.audio)
    sidecar = path.with_name(path.stem + SIDECAR_SUFFIX)
    np.savez(sidecar, points=sketch.landmarks(), matrices=sketch.matrices(), detector="sketch")


def _speech(
    generator: np.random.Generator, onsets: NDArray[np.float64], frames: int, pitch: float
) -> tuple[Audio, NDArray[np.float64]]:
    """Harmonic bursts at the onsets, and their loudness per frame in [0, 1]."""
    samples = frames * SAMPLES_PER_FRAME
    time = np.arange(samples) / SAMPLE_RATE
    envelope = np.zeros(samples)
    for onset in onsets:
        t = time - onset
        envelope += generator.uniform(0.5, 1.0) * np.clip(t / 0.02, 0, 1) * np.exp(-np.clip(t, 0, None) / 0.12)
    vibrato = 2 * np.pi * np.cumsum(pitch * (1 + 0.05 * np.sin(2 * np.pi * 3 * time))) / SAMPLE_RATE
    voice = sum(np.sin(k * vibrato) / k for k in range(1, 12))
    signal = envelope * voice + 0.002 * generator.normal(0, 1, samples)
    audio = np.round(9000 * signal / max(1.0, float(np.abs(signal).max()))).astype(np.int16)
    loudness = envelope.reshape(frames, SAMPLES_PER_FRAME).mean(axis=1)
    return audio, loudness / max(float(loudness.max()), 1e-9)


def _draw(canvas: Frames, points: NDArray[np.float64], skin: NDArray[np.float64]) -> Frames:
    """Head, hair, eyes, brows, nose and mouth over a background."""

    def fill(outline: NDArray[np.float64], colour: object) -> None:
        tone = [float(v) for v in np.asarray(colour, float)]
        cv2.fillPoly(canvas, [np.round(outline * 16).astype(np.int32)], tone, cv2.LINE_AA, 4)

    centre, top = points.mean(axis=0), points[27]
    eyes = points[36:42].mean(0), points[42:48].mean(0)
    across, up = eyes[1] - eyes[0], top - points[8]
    angles = np.linspace(0, 2 * np.pi, 40)[:, None]
    skull = top + 0.25 * up + 0.95 * across * np.cos(angles) + 0.55 * up * np.sin(angles)
    shoulders = np.array([[0.0, 1.0], [0.18, 0.9], [0.4, 0.87], [0.6, 0.87], [0.82, 0.9], [1.0, 1.0]])
    fill(shoulders * len(canvas) + [(centre[0] - len(canvas) / 2) * 0.3, 0.0], skin * 0.35)
    fill(skull, skin * 0.3)
    throat = points[8] * [1.0, 0.0] + [0.0, len(canvas) * 0.9]
    fill(np.stack([points[5], points[11], throat + 0.45 * across, throat - 0.45 * across]), skin * 0.85)
    forehead = points[27] + 0.42 * up
    fill(
        np.vstack(
            [points[:17], points[16] + 0.3 * up, forehead + across * 0.4, forehead - across * 0.4, points[0] + 0.3 * up]
        ),
        skin,
    )
    for eye in (points[36:42], points[42:48]):
        fill(eye, [250, 250, 250])
        cv2.circle(canvas, [int(v) for v in eye.mean(0)], max(2, len(canvas) // 60), (40, 30, 30), -1, cv2.LINE_AA)
    for line, width in ((points[17:22], 3), (points[22:27], 3), (points[27:31], 1), (points[31:36], 2)):
        outline = [np.round(line).astype(np.int32)]
        cv2.polylines(canvas, outline, False, [float(v) for v in skin * 0.45], width, cv2.LINE_AA)
    fill(points[48:60], skin * [0.8, 0.45, 0.45])
    fill(points[60:68], [60, 20, 20])
    return canvas
