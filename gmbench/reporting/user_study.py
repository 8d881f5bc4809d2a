"""Tables of a user study from the raters' raw table.

The table is a CSV with one rating per line: ``rater, clip, method, aspect, value``. ``value`` is a number
(an opinion score), ``1`` for each method that a rater picked as a favourite and ``0`` for the others that were shown
(kind ``preference``), or the emotion that the rater named (kind ``emotion``, with a column ``target``). Without raters
there is no table. Ratings of the videos of :mod:`gmbench.reporting.study_sheet` have ``video`` in place of ``clip`` and
``method``; the sheet's key beside them says which clip of which method that is.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gmbench.emotions import canonical
from gmbench.errors import InputError
from gmbench.evaluation.results.records import json_number
from gmbench.metrics import user_study
from gmbench.reporting.study_sheet import KEY

KINDS = ("opinion", "preference", "emotion")


@dataclass(frozen=True)
class StudyRow:
    """One number of a study: ``n`` ratings of a method in one aspect, with a two-level bootstrap interval."""

    method: str
    aspect: str
    measure: str
    value: float
    low: float
    high: float
    n: int
    raters: int
    clips: int
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        """All fields, NaN as null."""
        return {k: json_number(v) if isinstance(v, float) else v for k, v in asdict(self).items()}


def read_ratings(path: Path, kind: str) -> pd.DataFrame:
    """The raters' table, with the column ``number`` that is averaged.

    Raises:
        InputError: unreadable, empty, a column missing, a value of another kind of study, or a rating given twice; with
            the line and the remedy.
    """
    if kind not in KINDS:
        raise InputError(f"unknown kind of study {kind!r}; expected one of {', '.join(KINDS)}")
    table = _read(path)
    if "video" in table.columns and "method" not in table.columns:
        table = _named(path, table)
    needed = ["rater", "clip", "method", "aspect", "value"] + (["target"] if kind == "emotion" else [])
    lacking = [column for column in needed if column not in table.columns]
    if lacking:
        raise InputError(f"{path}: column {', '.join(lacking)} is missing; expected {', '.join(needed)}")
    if table.empty:
        raise InputError(f"{path}: no ratings; a study without raters has no table")
    for column in needed:
        _refuse(path, table[column] == "", f"no {column}; every rating needs one")
    twice = table.duplicated(["rater", "clip", "method", "aspect"])
    _refuse(path, twice, "the same rater, clip, method and aspect a second time")
    _NUMBERS[kind](path, table)
    return table


def _read(path: Path) -> pd.DataFrame:
    """Texts without blanks around them; the index is the line in the file."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False, skipinitialspace=True)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable CSV table ({error})") from error
    table = table.rename(columns=lambda name: str(name).strip()).fillna("").apply(lambda column: column.str.strip())
    table.index = pd.RangeIndex(2, len(table) + 2)
    return table[(table != "").any(axis=1)]


def _named(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """With clip and method of each video, from the key beside the ratings."""
    key = path.with_name(KEY)
    if not key.exists():
        raise InputError(f"{key}: no key here, which says which clip of which method a video is; put the sheet's there")
    known = _read(key).set_index("video")
    _refuse(path, ~table["video"].isin(known.index), f"video {{value!r}} is not in {key.name}", table["video"])
    return table.assign(**{name: known.loc[table["video"], name].to_numpy() for name in ("clip", "method")})


def _opinions(path: Path, table: pd.DataFrame) -> None:
    table["number"] = pd.to_numeric(table["value"], errors="coerce")
    _refuse(path, ~np.isfinite(table["number"]), "value {value!r} is no number", table["value"])


def _votes_cast(path: Path, table: pd.DataFrame) -> None:
    _opinions(path, table)
    remedy = "a vote is 1 for a favourite and 0 for the others; for ratings on a scale use --kind opinion"
    _refuse(path, ~table["number"].isin([0, 1]), f"value {{value!r}} is no vote; {remedy}", table["value"])


def _emotions_named(path: Path, table: pd.DataFrame) -> None:
    numbers = pd.to_numeric(table["value"], errors="coerce").notna()
    why = "value {value!r} is a number; --kind emotion expects the emotion that the rater named"
    _refuse(path, numbers, why, table["value"])
    named, target = ([canonical(text) or text.lower() for text in table[column]] for column in ("value", "target"))
    table["value"] = named
    table["number"] = [100.0 * (a == b) for a, b in zip(named, target, strict=True)]


_NUMBERS = {"opinion": _opinions, "preference": _votes_cast, "emotion": _emotions_named}


def _refuse(path: Path, bad: "pd.Series[bool]", why: str, values: "pd.Series[str] | None" = None) -> None:
    """Raise InputError for the first line that is bad, ``{value!r}`` in ``why`` filled from ``values``."""
    if bad.any():
        line = bad.index[bad][0]
        raise InputError(f"{path}, line {line}: {why.format(value='' if values is None else values[line])}")


def study_rows(table: pd.DataFrame, kind: str) -> list[StudyRow]:
    """Rows of all aspects and methods; see :mod:`gmbench.metrics.user_study` for the numbers."""
    result = []
    for aspect, group in table.groupby("aspect", sort=True):
        agreement = _agreement(group, ordinal=kind == "opinion")
        votes = group.groupby("method")["number"].sum()
        shares = dict(zip(votes.index, user_study.preference_share(votes.to_numpy()), strict=True))
        for method, ratings in group.groupby("method", sort=True):
            grid = ratings.pivot_table(index="rater", columns="clip", values="number", dropna=False).to_numpy()
            low, high = user_study.two_level_interval(grid)
            value, detail, measure = float(ratings["number"].mean()), f"alpha {agreement:.3f}", "human accuracy [%]"
            if kind == "opinion":
                score = user_study.mean_opinion_score(ratings["number"].to_numpy())
                measure = "MOS"
                detail = f"s.d. {score.deviation:.3f}, t-interval ±{score.half_width:.3f}, {detail}"
            elif kind == "preference":
                measure, value = "preference [%]", float(shares[method])
                low, high = _share_interval(group, str(method))
                detail = f"{votes[method]:.0f} of {votes.sum():.0f} votes"
            numbers = (value, low, high, len(ratings), *grid.shape)
            result.append(StudyRow(str(method), str(aspect), measure, *numbers, detail))
    return result


def _agreement(group: pd.DataFrame, ordinal: bool) -> float:
    """Krippendorff's alpha over (clip, method) as units."""
    codes = group["number"] if ordinal else pd.Series(pd.factorize(group["value"])[0], group.index, dtype=float)
    grid = group.assign(code=codes).pivot_table(index="rater", columns=["clip", "method"], values="code")
    return user_study.krippendorff_alpha(grid.to_numpy(), ordinal)


def _share_interval(group: pd.DataFrame, method: str) -> tuple[float, float]:
    """Interval of a preference share: raters and clips are resampled for all methods at once."""
    of_all = _votes(group)
    of_method = _votes(group[group["method"] == method]).reindex_like(of_all)
    all_votes, method_votes = of_all.fillna(0.0).to_numpy(), of_method.fillna(0.0).to_numpy()
    generator = np.random.default_rng(0)
    raters, clips = all_votes.shape
    shares = []
    for _ in range(1000):
        drawn = np.ix_(generator.integers(0, raters, raters), generator.integers(0, clips, clips))
        total = all_votes[drawn].sum()
        if total:
            shares.append(100.0 * method_votes[drawn].sum() / total)
    low, high = np.percentile(shares, [2.5, 97.5]) if shares else (np.nan, np.nan)
    return float(low), float(high)


def _votes(ratings: pd.DataFrame) -> pd.DataFrame:
    """Votes by rater (rows) and clip (columns)."""
    return ratings.pivot_table(index="rater", columns="clip", values="number", aggfunc="sum")
