"""Small settings, and made-up pictures, landmarks and sounds for EDTalk's tests."""

import numpy as np

from gmbench.audio.spectra import mel_spectrogram
from gmbench.face.landmarks_68 import eat_template, mesh_vertices
from gmbench.methods.edtalk.settings import Settings
from gmbench.methods.edtalk.sounds import ClipMels
from gmbench.methods.picture_tracks import ClipMotion
from gmbench.methods.pictures import PeoplePictures, PictureClip

EMOTIONS = ("happy", "neutral", "sad")
FACTS = {"extractor": "logmel", "pair": "concat", "weights": "", "audio_dim": 160}
SIDE = 16
TRAIN = {"steps": 3, "batch": 2, "rate": 1e-3}
PICTURES = {"l1": 1.0, "per": 0.1, "adv": 0.02}
SMALL = Settings.model_validate({
    "backbone": {"side": SIDE, "latent": 40, "channels": {4: 8, 8: 8, 16: 6}, "bases": 12, "perceptual": "randconv",
                 "scales": 2, "weights": PICTURES, "landmark_aux": 1.0, "gate": False, "train": TRAIN},
    "decouple": {"weights": PICTURES, "mouth": 4.0, "train": TRAIN},
    "teachers": {"widths": [4, 8, 8, 8], "features": 8, "sync_widths": [4, 8], "sync_size": 8, "mouth": [8, 16],
                 "train": TRAIN},
    "expression": {"window": 3, "reads": "teacher", "weights": PICTURES, "train": TRAIN},
    "lips": {"widths": [4, 4, 8, 8, 8], "weights": {"fea": 1, "velocity": 0.1, "rec": 1, "mouth": 1}, "train": TRAIN},
    "posemotion": {"steps": 2, "width": 16, "audio_halfwidth": 2, "window": 8, "train": TRAIN},
    "semantics": {"width": 16, "layers": 1, "heads": 2, "words": 32, "train": TRAIN},
})  # fmt: skip


def made_people(count=6, frames=12, side=SIDE, seed=0):
    """Noisy pictures of two people with faces that move, one clip an emotion and person in turn."""
    generator = np.random.default_rng(seed)
    total = count * frames
    pictures = generator.integers(0, 60, (total, side, side, 3)).astype(np.uint8)
    shape = np.asarray(eat_template()) * (side / 163)
    landmarks = np.zeros((total, 478, 2), np.float32)
    moved = shape + generator.normal(0, side / 40, (total, 1, 2))
    moved[:, 56:60, 1] += generator.uniform(0, side / 10, (total, 1))
    landmarks[:, mesh_vertices()] = moved
    clips = []
    for n in range(count):
        emotion = EMOTIONS[n // 2 % 3]
        pictures[n * frames : (n + 1) * frames, ..., 0] += np.uint8(60 * EMOTIONS.index(emotion))
        clips.append(PictureClip(f"c{n}", f"p{n % 2}", emotion, 1, False, n * frames, (n + 1) * frames))
    return PeoplePictures(pictures, landmarks, tuple(clips))


def made_motion(people, seed=0):
    """Smooth random coefficients of those clips."""
    generator = np.random.default_rng(seed)
    return {
        n: ClipMotion(
            generator.normal(0, 1, (c.stop - c.first, 169)).astype(np.float32),
            generator.normal(0, 0.1, (c.stop - c.first, 12)).astype(np.float32),
            np.ones(c.stop - c.first, bool),
        )
        for n, c in enumerate(people.clips)
    }


def made_sound(frames, seed=0):
    """int16 noise."""
    return np.random.default_rng(seed).normal(0, 2000, frames * 640).astype(np.int16)


def made_mels(people):
    """Spectrograms of noise, one a clip."""
    mels = [mel_spectrogram(made_sound(c.stop - c.first, n)) for n, c in enumerate(people.clips)]
    edges = np.cumsum([0, *(mel.shape[1] for mel in mels)])
    return ClipMels(np.concatenate([mel.T for mel in mels]), edges, np.zeros(len(mels), np.int64))
