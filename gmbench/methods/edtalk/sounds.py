"""What training hears: mel spectrograms, audio features and words of the clips whose frames it sees."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.audio.spectra import MEL_BANDS, mel_spectrogram, mel_windows_at
from gmbench.corpus.track_people import TrackClip
from gmbench.corpus.truth import Truth
from gmbench.media import SAMPLES_PER_FRAME, Audio, read_audio
from gmbench.methods.features import audio_features
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.pictures import PeoplePictures, new_array, people_sounds
from gmbench.store import digest, file_digest

TITLE = "EDTalk"


@dataclass(frozen=True)
class ClipMels:
    """Mel spectrograms of clips, memory-mapped.

    Attributes:
        bands: (C, 80) columns of all clips.
        edges: (clips + 1,) first column of each clip, and the end.
        before: (clips,) frames that each sound has before the clip's first one.
    """

    bands: NDArray[np.float32]
    edges: NDArray[np.int64]
    before: NDArray[np.int64]

    def windows(self, clip: int, frames: NDArray[np.int64], frames_before: int = 2) -> NDArray[np.float32]:
        """(n, 80, 16) of some frames of a clip; see :func:`gmbench.audio.spectra.mel_windows`."""
        mel = self.bands[self.edges[clip] : self.edges[clip + 1]].T
        return mel_windows_at(mel, frames + self.before[clip], frames_before)


def sounds(people: PeoplePictures, given: Sequence[Path | Audio]) -> Iterator[Audio]:
    """Sound of each clip: of a file, as long as the frames, cut or silent at the end; else as it is given."""
    for clip, sound in zip(people.clips, given, strict=True):
        if not isinstance(sound, Path):
            yield sound
            continue
        audio, wanted = read_audio(sound), (clip.stop - clip.first) * SAMPLES_PER_FRAME
        yield np.pad(audio, (0, max(0, wanted - len(audio))))[:wanted]


def read_mels(
    people: PeoplePictures, given: Sequence[Path | Audio], folder: Path, drawn: Sequence[TrackClip] = ()
) -> ClipMels:
    """Spectrograms of all clips, as an array in a folder.

    ``drawn`` are the last clips where the given sounds are those of the whole ones that they are parts of: windows then
    reach beyond a part's ends.
    """
    mels = [mel_spectrogram(audio) for audio in sounds(people, given)]
    edges = np.cumsum([0, *(mel.shape[1] for mel in mels)])
    bands = new_array(folder, "mels", np.float32, (int(edges[-1]), MEL_BANDS))
    for mel, first in zip(mels, edges, strict=False):
        bands[first : first + mel.shape[1]] = mel.T
    before = np.array([*[0] * (len(mels) - len(drawn)), *(clip.first for clip in drawn)], np.int64)
    return ClipMels(bands, edges, before)


def read_features(
    people: PeoplePictures, given: Sequence[Path | Audio], dataset: PreparedDataset
) -> list[NDArray[np.float32]]:
    """Features (T, a) of each clip as generation makes them."""
    facts = dataset.audio_facts
    return [audio_features(audio, len(audio) // SAMPLES_PER_FRAME, facts, TITLE) for audio in sounds(people, given)]


def read_words(
    people: PeoplePictures, dataset: PreparedDataset, pretraining: PreparedDataset, drawn: Sequence[TrackClip] = ()
) -> list[str]:
    """Transcript of each clip, ``drawn`` ones too, empty where it is unknown."""
    root = pretraining.true_tracks
    true: dict[Any, Any] = {} if root is None else Truth(root).clips["transcript"].to_dict()
    own = {clip.clip_id: clip.transcript for clip in drawn}
    known = {**pretraining.transcripts, **dataset.transcripts, **true, **own}
    return [str(known.get(clip.clip_id, "")) for clip in people.clips]


def sounds_digest(dataset: PreparedDataset, pretraining: PreparedDataset) -> str:
    """Digest of what the readers of this module read, for the keys of training jobs."""
    files = [file_digest(path) for path in people_sounds(dataset, pretraining)]
    return digest(files, dict(dataset.audio_facts), dict(dataset.transcripts), dict(pretraining.transcripts))


def word_places(text: str, places: int) -> list[int]:
    """Where a text's words are hashed to, once each: lower case, without punctuation at their ends."""
    words = {word.strip(".,;:!?\"'()").lower() for word in text.split()} - {""}
    return sorted({zlib.crc32(word.encode()) % places for word in words})
