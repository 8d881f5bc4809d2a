"""Ground truth of the synthetic corpus: Parquet tables below ``<root>/truth``.

``clips.parquet``: one row per clip with labels, transcript, phoneme times, stressed onsets, head beats, skin signs.
``speakers.parquet``: shape and texture. ``frames/<speaker>.parquet``: one row per frame with coefficients, light,
landmarks, phoneme and masks (PNG). Pre-training speakers have frames of their own.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from gmbench import shards
from gmbench.errors import InputError
from gmbench.parquet import write_frame

FRAME_ARRAYS = ("beta", "rho", "light", "landmarks")
_LABELS = (
    "speaker", "emotion", "level", "style", "transcript", "emotional_words", "size", "video", "audio", "phonemes",
)  # fmt: skip
_TIMES = ("starts", "ends", "stressed", "beats", "signs")


class TruthWriter:
    """Collects clips in order and writes each speaker's shard as soon as the next one begins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._clips: list[dict[str, Any]] = []
        self._speakers: dict[str, dict[str, Any]] = {}
        self._shard: list[tuple[str, shards.Columns]] = []
        self._speaker = ""

    def add(self, clip_id: str, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """One clip as :func:`gmbench.corpus.make.record_take` returns it."""
        if meta["speaker"] != self._speaker:
            self._flush()
            self._speaker = meta["speaker"]
            self._speakers[self._speaker] = {
                "speaker": self._speaker, "shape": arrays["shape"], "texture": arrays["texture"],
                "pitch": meta["pitch"],
            }  # fmt: skip
        columns: dict[str, Any] = {name: arrays[name] for name in FRAME_ARRAYS} | {"phoneme": meta["phoneme_frames"]}
        for name in ("head", "shoulders"):
            ends = arrays[f"{name}_ends"]
            data = arrays[f"{name}_png"].tobytes()
            columns[name] = [data[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]
        self._shard.append((clip_id, columns))
        labels = {name: meta[name] for name in _LABELS} | {name: arrays[name] for name in _TIMES}
        self._clips.append({"clip_id": clip_id, "frames": len(arrays["rho"])} | labels)

    def close(self) -> None:
        """Write the last shard and the tables of clips and speakers."""
        self._flush()
        write_frame(pd.DataFrame(self._clips), self.folder / "clips.parquet")
        write_frame(pd.DataFrame(list(self._speakers.values())), self.folder / "speakers.parquet")

    def _flush(self) -> None:
        if self._shard:
            shards.write(self.folder / "frames", self._speaker, self._shard)
            self._shard = []


class Truth:
    """Reads ground truth; shards are opened as they are asked for.

    Attributes:
        clips, speakers: tables with the clip's id and the speaker's name as index.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / "truth"
        try:
            self.clips = pd.read_parquet(self.folder / "clips.parquet").set_index("clip_id", drop=False)
            self.speakers = pd.read_parquet(self.folder / "speakers.parquet").set_index("speaker", drop=False)
        except FileNotFoundError:
            raise InputError(f"{root}: no ground truth here; make a corpus with 'gmbench corpus make'") from None

    def frames(self, clip_id: str, names: Sequence[str] = (*FRAME_ARRAYS, "phoneme")) -> dict[str, Any]:
        """Arrays per frame of one clip: beta (T, 169), rho (T, 12), light (T, 27), landmarks (T, 478, 2), phoneme (T,).

        ``head`` and ``shoulders`` give PNG bytes of masks. Raises InputError for an unknown clip.
        """
        if clip_id not in self.clips.index:
            raise InputError(f"{self.folder}: no clip {clip_id}")
        return shards.read(self.folder / "frames", str(self.clips.loc[clip_id, "speaker"]), clip_id, names)
