"""Held-out clips, and one trained EDTalk that draws them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gmbench.datasets.manifest import TEST
from gmbench.media import SAMPLES_PER_FRAME, Audio, Video, read_audio
from gmbench.methods.edtalk.drivers import driven_weights, signed
from gmbench.methods.edtalk.method import EDTalk
from gmbench.methods.edtalk.settings import SPACES
from gmbench.methods.interface import EmotionSpec, GenRequest, PreparedDataset
from gmbench.stages.requests import source_clip

NEUTRAL = "neutral"


@dataclass(frozen=True)
class HeldOutClip:
    """A test clip, its source picture, and its words."""

    clip_id: str
    speaker: str
    emotion: str
    level: int
    video: Path
    source: np.ndarray
    transcript: str

    @property
    def audio(self) -> Audio:
        """Its sound."""
        return read_audio(self.video)

    def film(self) -> np.ndarray:
        """(T, S, S, 3) of its frames."""
        return np.stack([np.asarray(frame) for frame in Video(self.video)])


def held_out(dataset: PreparedDataset) -> list[HeldOutClip]:
    """Test clips with the picture that all one-shot systems begin from."""
    clips = []
    for row in dataset.split(TEST):
        first = source_clip(row, dataset.rows)
        picture = np.asarray(next(iter(Video(dataset.crops / first.video_path))))
        words, video = dataset.transcripts.get(row.clip_id, ""), dataset.crops / row.video_path
        clips.append(HeldOutClip(row.clip_id, row.speaker, row.emotion, row.level, video, picture, words))
    return clips


def driver_pairs(clips: Sequence[HeldOutClip], most: int) -> list[tuple[int, int]]:
    """Places of a source's clip and of its driver: a clip of another person at the highest level, or a neutral one.

    The source's clip is a neutral one of its person where there is any; at most so many pairs, spread evenly.
    """
    highest = max((clip.level for clip in clips), default=0)
    drivers = [n for n, clip in enumerate(clips) if clip.level == highest or clip.emotion == NEUTRAL]
    pairs = []
    for place, n in enumerate(drivers):
        others = [k for k, clip in enumerate(clips) if clip.speaker != clips[n].speaker]
        calm = [k for k in others if clips[k].emotion == NEUTRAL] or others
        if calm:
            pairs.append((calm[place % len(calm)], n))
    return [pairs[k] for k in np.unique(np.linspace(0, len(pairs) - 1, most).round().astype(int))] if pairs else []


class Drawing:
    """A trained system that draws held-out clips' sources by any weights.

    Args:
        method: loaded.
        clips: held out.
    """

    def __init__(self, method: EDTalk, clips: Sequence[HeldOutClip]) -> None:
        self.method, self.clips = method, clips
        self.network = method.whole.network
        self._weights: dict[int, dict[str, torch.Tensor]] = {}

    def weights(self, clip: int, frames: int | None = None) -> dict[str, torch.Tensor]:
        """Weights (T, n) of all spaces of a clip's video as they drive one; played to and fro where it is shorter."""
        if frames is not None and frames != len(self.weights(clip)["mouth"]):
            return self._driven(clip, frames)
        if clip not in self._weights:
            self._weights[clip] = self._driven(clip, len(self.clips[clip].audio) // SAMPLES_PER_FRAME)
        return self._weights[clip]

    def own(self, clip: int, frames: int) -> dict[str, torch.Tensor]:
        """Weights of the clip's source picture for so many frames."""
        with torch.inference_mode():
            own = self.network.weights(signed(self.network, [self.clips[clip].source]).to(self.method.device))
        return {name: part.expand(frames, -1) for name, part in own.items()}

    def draw(self, clip: int, weights: Mapping[str, torch.Tensor]) -> np.ndarray:
        """(T, S, S, 3) of the clip's source picture, by weights of videos."""
        source = self.method._source(self.request(clip))
        weights = {**weights, "mouth": self.method._further(source, weights["mouth"])}
        return np.stack(list(self.method._frames(source, weights)))

    def request(self, clip: int, seed: int = 0) -> GenRequest:
        """From the clip's sound and words alone."""
        chosen = self.clips[clip]
        audio = chosen.audio
        audio = audio[: len(audio) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME]
        return GenRequest(
            chosen.clip_id, audio, EmotionSpec(), seed=seed, source_image=chosen.source, transcript=chosen.transcript
        )

    def _driven(self, clip: int, frames: int) -> dict[str, torch.Tensor]:
        films = dict.fromkeys(SPACES, self.clips[clip].video)
        found = driven_weights(self.network, films, frames, self.method.whole.window)
        return {name: torch.from_numpy(track).to(self.method.device) for name, track in found.items()}
