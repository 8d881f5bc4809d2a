"""Fitted clips on disk: one shard per speaker with coefficients per frame, and a table of speakers."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmbench import shards
from gmbench.errors import InputError
from gmbench.parquet import write_frame

COLUMNS = ("beta", "rho", "light", "lm_rmse", "valid", "segment")
SPEAKERS = "speakers.parquet"


def write_speakers(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write shape (150,), texture (251,) and statistics of each speaker's coefficients."""
    write_frame(pd.DataFrame(rows), folder / SPEAKERS)


def read_speaker(folder: Path, speaker: str) -> dict[str, NDArray[np.float64]]:
    """``shape``, ``texture``, ``beta_mean``, ``rho_mean``, ``rho_std``; InputError without the speaker."""
    path = folder / SPEAKERS
    if not path.exists():
        raise InputError(f"{path}: no fitted speakers; run the fit stage")
    table = pd.read_parquet(path).set_index("speaker")
    if speaker not in table.index:
        raise InputError(f"{path}: speaker {speaker} was not fitted")
    return {str(name): np.asarray(value, np.float64) for name, value in table.loc[speaker].items()}


def statistics(clips: list[dict[str, Any]]) -> dict[str, NDArray[np.float32]]:
    """Means and deviations of a speaker's coefficients over all frames with a face."""
    beta = np.concatenate([clip["beta"][clip["valid"]] for clip in clips])
    rho = np.concatenate([clip["rho"][clip["valid"]] for clip in clips])
    empty = len(beta) == 0
    return {
        "beta_mean": np.zeros(beta.shape[1], np.float32) if empty else beta.mean(axis=0),
        "rho_mean": np.zeros(rho.shape[1], np.float32) if empty else rho.mean(axis=0),
        "rho_std": np.ones(rho.shape[1], np.float32) if empty else rho.std(axis=0),
    }


def read(folder: Path, speaker: str, clip_id: str) -> dict[str, Any]:
    """Coefficients of one clip: ``beta`` (T, 169), ``rho`` (T, 12), ``light`` (T, 27), and the rest of COLUMNS."""
    return shards.read(folder, speaker, clip_id, COLUMNS)
