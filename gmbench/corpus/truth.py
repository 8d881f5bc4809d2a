"""Ground truth of the synthetic corpus: Parquet tables below ``<root>/truth``.

``clips.parquet``: a row a clip with labels, transcript, phoneme times, stressed onsets, head beats, skin signs.
``speakers.parquet``: shape and texture. ``frames-<speaker>.parquet``: a row a frame with coefficients, light,
landmarks, phoneme and masks (PNG). Pre-training speakers have frames of their own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gmbench.errors import InputError

FRAME_ARRAYS = {"beta": 169, "rho": 12, "light": 27, "landmarks": 956}


class Writer:
    """Collects clips in order and writes each speaker's shard as soon as the next one begins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._clips: list[dict[str, Any]] = []
        self._speakers: dict[str, dict[str, Any]] = {}
        self._shard: list[pa.Table] = []
        self._speaker = ""

    def add(self, clip_id: str, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """One clip as :func:`gmbench.corpus.make.record_take` gives it."""
        if meta["speaker"] != self._speaker:
            self._flush()
            self._speaker = meta["speaker"]
            self._speakers[self._speaker] = {
                "speaker": self._speaker, "shape": arrays["shape"], "texture": arrays["texture"], "pitch": meta["pitch"],
            }  # fmt: skip
        frames = len(arrays["rho"])
        columns: dict[str, Any] = {
            "clip_id": [clip_id] * frames,
            "frame": np.arange(frames, dtype=np.int32),
            "phoneme": meta["phoneme_frames"],
        }
        for name, width in FRAME_ARRAYS.items():
            flat = pa.array(np.ascontiguousarray(arrays[name], np.float32).ravel())
            columns[name] = pa.FixedSizeListArray.from_arrays(flat, width)
        for name in ("head", "shoulders"):
            ends = arrays[f"{name}_ends"]
            data = arrays[f"{name}_png"].tobytes()
            columns[name] = [data[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]
        self._shard.append(pa.table(columns))
        names = ("speaker", "emotion", "level", "style", "transcript", "emotional_words", "size", "video", "audio", "phonemes")
        times = {name: arrays[name] for name in ("starts", "ends", "stressed", "beats", "signs")}
        self._clips.append({"clip_id": clip_id} | {name: meta[name] for name in names} | {"frames": frames} | times)

    def close(self) -> None:
        """Write the last shard and the tables of clips and speakers."""
        self._flush()
        pd.DataFrame(self._clips).to_parquet(self.folder / "clips.parquet", index=False)
        pd.DataFrame(list(self._speakers.values())).to_parquet(self.folder / "speakers.parquet", index=False)

    def _flush(self) -> None:
        if self._shard:
            pq.write_table(pa.concat_tables(self._shard), self.folder / f"frames-{self._speaker}.parquet")
            self._shard = []


class Truth:
    """Reads ground truth; shards are opened as they are asked for."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "truth"
        try:
            self.clips = pd.read_parquet(self.folder / "clips.parquet").set_index("clip_id", drop=False)
            self.speakers = pd.read_parquet(self.folder / "speakers.parquet").set_index("speaker", drop=False)
        except FileNotFoundError:
            raise InputError(f"{root}: no ground truth here; make a corpus with 'gmbench corpus make'") from None

    def frames(self, clip_id: str, columns: list[str] | None = None) -> dict[str, NDArray[Any]]:
        """Arrays a frame of one clip: beta (T, 169), rho (T, 12), light (T, 27), landmarks (T, 478, 2), phoneme (T,).

        Args:
            clip_id: of the clip.
            columns: some of them; ``head`` and ``shoulders`` give lists of PNG bytes.
        """
        if clip_id not in self.clips.index:
            raise InputError(f"{self.folder}: no clip {clip_id}")
        wanted = columns or [*FRAME_ARRAYS, "phoneme"]
        shard = self.folder / f"frames-{self.clips.loc[clip_id, 'speaker']}.parquet"
        table = pq.read_table(shard, columns=wanted, filters=[("clip_id", "=", clip_id)])
        result: dict[str, NDArray[Any]] = {}
        for name in wanted:
            column = table[name].combine_chunks()
            if name in FRAME_ARRAYS:
                values = column.flatten().to_numpy().reshape(len(column), -1)
                result[name] = values.reshape(len(column), -1, 2) if name == "landmarks" else values
            else:
                result[name] = np.array(column.to_pylist(), dtype=object)
        return result
