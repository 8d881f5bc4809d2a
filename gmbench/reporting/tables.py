"""The comparison table of records: one row per method, one column per metric, best values bold where a test allows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from gmbench.evaluation.planning.controls import CONTROLS
from gmbench.evaluation.results import references
from gmbench.evaluation.results.aggregate import SummaryRow, rows
from gmbench.evaluation.results.records import WHOLE_SET
from gmbench.evaluation.scoring.registry import present_keys
from gmbench.metrics.key import MetricKey
from gmbench.reporting.comparisons import BOLD, Lead
from gmbench.reporting.metric_lookup import fallback_extractors, in_declared_order, is_default, metric_of
from gmbench.reporting.summary import Summary
from gmbench.reporting.table_formats import Cell, Measured, Table, interval, number

INTERVALS = (
    "Mean over clips with a 95 % interval (Student's, widened where clips are skewed; over speakers where labelled)."
)
FLAGS = {
    "fid_small_n": "fid_small_n: fewer than 2,048 frames per side, FID is biased up; compare only rows of equal n.",
    "fvd_small_n": "fvd_small_n: fewer than 400 windows per side, FVD rests on a singular covariance.",
    "unequal_n": "unequal_n: a method lacks clips of the set; its FID or FVD has another n than the others'.",
    "infinite_clips": "infinite_clips: so many clips have the value ∞ (nothing differs); the mean is over the others.",
    "classes_missing": "classes_missing: Emo-Score needs clips of each of its emotions; none of some is here.",
    "no_face": "no_face: clips in which no face was found count as wrong in accuracies and as 0 in scores.",
    "own_reference": "own_reference: the speaker has no neutral reference; F-SIM compares with the clip's own.",
    "aspect_mismatch": "aspect_mismatch: clips whose width to height differs from the reference's by more than 2 %.",
    "length_mismatch": "length_mismatch: clips longer or shorter than the reference by more than two frames and 2 %.",
    "rate_mismatch": "rate_mismatch: as many stored frames as the reference at another rate; one of them is false.",
    "short_sound": "short_sound: the sound ends more than two frames and 2 % before the picture; no more is scored.",
    "reference_audio": "reference_audio: clips without sound of their own, scored with the reference's.",
    "damaged_frames": "damaged_frames: pictures that the decoder patched; above 10 % of its frames a clip fails.",
    "transparent_frames": "transparent_frames: clips with transparent pixels, whose hidden colours are compared.",
    "missing_frames": "missing_frames: a steady rate lacks pictures, lost or left out; those before them stay longer.",
    "low_coverage": "low_coverage: clips with a face in less than 90 % of the frames; below 10 % there is none.",
    "several_faces": "several_faces: frames with more than one face, of which one is followed.",
    "face_elsewhere": "face_elsewhere: the face was lost and stood elsewhere later: a cut, or another person.",
    "mirrored_landmarks": "mirrored_landmarks: left and right of the landmarks are exchanged; is x before y, y down?",
    "few_frames": "few_frames: less than 30 s in all, in which blinks are too rare for a rate.",
    "fxd_small_n": "fxd_small_n: fewer than 500 frames per side, FXD is biased up; compare only rows of equal n.",
    "short_for_drift": "short_for_drift: clips below 10 s, which cannot show drift.",
    "decoded_on_card": "decoded_on_card: frames were decoded on a GPU, within one level of the CPU's.",
    "on_cuda": "on_cuda: networks ran on a GPU, whose numbers differ from the CPU's in the last digits (docs/gpu.md).",
    "psnr_capped": "psnr_capped: clips with frames equal to the reference's, which count as 100 dB.",
}
"""What flags of records mean to a reader of a table."""


def build(records: pd.DataFrame, names: Sequence[str] | None = None) -> Table:
    """The comparison table of one dataset.

    Args:
        records: of one dataset and protocol.
        names: metrics to show, in any spelling, and groups; by default those that are evaluated by default, and a note
            names the others.

    Raises:
        MixedColumnError: one column would mix extractors, protocols or weights.
        InputError: a metric has no records.
    """
    return comparison_table(Summary.of(records), names)


def comparison_table(summary: Summary, names: Sequence[str] | None = None) -> Table:
    """The same from numbers that are aggregated already."""
    keys = _shown_keys(summary, names)
    common = {key: found for key in keys if (found := _on_common_clips(summary, key))}
    columns = [
        column for key in keys for column in (_column(summary, key), *([common[key][0]] if key in common else []))
    ]
    clips = [Cell(str(_clips_expected(summary, method, keys))) for method in summary.methods]
    body = tuple(
        (method_cell(summary, method), clips[place], *(column.cells[place] for column in columns))
        for place, method in enumerate(summary.methods)
    )
    return Table(
        caption(summary),
        ("Method", "Clips", *(column.title for column in columns)),
        body,
        (*_notes(summary, keys, {key: count for key, (_, count) in common.items()}), *_left_out(summary, keys, names)),
        ("method", "clips", *(column.key for column in columns)),
        ("Method", "Clips", *(column.short for column in columns)),
        blocks(summary, summary.methods),
    )


@dataclass(frozen=True)
class Column:
    """One cell per method below a title, which is shorter in a printed paper and a key for machines."""

    key: str
    title: str
    short: str
    cells: tuple[Cell, ...]


def method_cell(summary: Summary, method: str, text: str = "") -> Cell:
    """The name of a method, or another text, with what the method takes from the reference."""
    return Cell(text or method, note=f"{summary.takes[method]} from the reference" if method in summary.takes else "")


def blocks(summary: Summary, methods: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Where rows begin that stand apart from those of ranked methods."""
    kinds = [
        "Not ranked, takes from the reference" if m in summary.takes else "Controls" if m in CONTROLS else ""
        for m in methods
    ]
    return tuple((kind, place) for place, kind in enumerate(kinds) if place and kind and kind != kinds[place - 1])


def _column(summary: Summary, key: str) -> Column:
    cells = tuple(
        number_cell(summary.by_cell.get((method, key)), summary.is_best(key, method)) for method in summary.methods
    )
    return Column(key, column_title(summary, key), short_title(key), cells)


def _on_common_clips(summary: Summary, key: str) -> tuple[Column, int] | None:
    """The same metric over the clips of which every method has a value against one reference; None where all are such.

    A method that has no value of any clip has no part in it, or there would be no common clip at all.
    """
    cells = {m: summary.by_cell.get((m, key)) for m in summary.methods if m not in CONTROLS}
    rivals = [m for m, cell in cells.items() if cell is not None and cell.n > 0]
    records = summary.records
    of_clips = records[(records["metric"] == key) & (records["clip"] != WHOLE_SET)]
    with_value = of_clips[of_clips["value"].notna() & of_clips["method"].isin(rivals)]
    alike = len({summary.by_cell[m, key].n for m in rivals}) < 2 and not references.differing(with_value)
    if with_value.empty or alike:
        return None
    counts = with_value.groupby(["clip", "reference_sha256"])["method"].nunique()
    common = set(counts.index[counts == len(rivals)].get_level_values("clip"))
    on_common = rows(of_clips[of_clips["clip"].isin(common)]) if common else []
    by_method = {row.method: row for row in on_common}
    found = tuple(number_cell(by_method.get(method), bold=False) for method in summary.methods)
    titles = (f"{column_title(summary, key)}, common clips", f"{short_title(key)}, common")
    return Column(f"{key}_common", *titles, found), len(common)


def _clips_expected(summary: Summary, method: str, keys: Sequence[str]) -> int:
    return max((summary.by_cell[method, k].expected for k in keys if (method, k) in summary.by_cell), default=0)


def caption(summary: Summary) -> str:
    """Dataset and protocol of a table."""
    datasets = ", ".join(sorted(summary.records["dataset"].unique()))
    protocols = ", ".join(sorted({f"{row.protocol} ({row.protocol_hash})" for row in summary.rows}))
    return f"{datasets}, protocol {protocols}"


def _shown_keys(summary: Summary, names: Sequence[str] | None) -> list[str]:
    present = in_declared_order(summary.keys)
    if not names:
        return [key for key in present if is_default(key)] or present
    return present_keys(names, present)


def _left_out(summary: Summary, shown: Sequence[str], names: Sequence[str] | None) -> list[str]:
    """Metrics that have numbers and no column, where nobody chose the columns."""
    others = dict.fromkeys(MetricKey.parse(key).name for key in in_declared_order(summary.keys) if key not in shown)
    return [f"Evaluated too, shown where --metrics names them: {', '.join(others)}."] if others and not names else []


def column_title(summary: Summary, key: str) -> str:
    """Header of a metric: title, arrow, unit, and the extractor where it is not the official one."""
    unit = next((row.unit for row in summary.rows if row.metric == key), "")
    fallback = MetricKey.parse(key).fallback
    return _titled(key) + (f" [{unit}]" if unit else "") + (f" (fallback: {fallback})" if fallback else "")


def short_title(key: str) -> str:
    """Header of a metric in a printed paper: title and arrow, † for another extractor than the official one."""
    return _titled(key) + ("†" if MetricKey.parse(key).fallback else "")


def _titled(key: str) -> str:
    metric, parsed = metric_of(key), MetricKey.parse(key)
    title = f"{metric.spec.title} {metric.spec.arrow}".strip() if metric else parsed.name
    return f"{title} ({parsed.option})" if parsed.option else title


def number_cell(row: SummaryRow | None, bold: bool) -> Cell:
    """A number with its interval, its coverage where clips are missing, and how many infinite ones are left out."""
    if row is None:
        return Cell("–", note="not evaluated")
    parts = (
        "" if row.n == row.expected else f"{row.n}/{row.expected}",
        f"{row.infinite} of {row.n} ∞" if "infinite_clips" in row.flags.split() else "",
    )
    note = ", ".join(part for part in parts if part)
    measured = Measured(row.value, row.low, row.high, row.n, row.expected)
    return Cell(number(row.value), interval(row.low, row.high), note, bold, measured)


def _notes(summary: Summary, keys: Sequence[str], common: Mapping[str, int]) -> tuple[str, ...]:
    shown_rows = [row for row in summary.rows if row.metric in keys]
    notes = [INTERVALS] if any(math.isfinite(row.low) for row in shown_rows) else []
    if any(row.n < row.expected for row in shown_rows):
        notes.append("n/N: clips with a value of clips expected.")
        notes.append("Clips without a value are left out of the mean, which favours methods that fail on hard clips.")
    if common:
        counts = ", ".join(
            f"{count} for {_names(k for k in common if common[k] == count)}" for count in sorted(set(common.values()))
        )
        notes.append(
            "Common clips: those of which every method with values has one, against one reference; controls left out; "
            f"{counts}."
        )
    notes += fallback_notes(keys)
    notes += references.warnings(summary.records)
    flags = {flag for row in shown_rows for flag in row.flags.split()}
    notes += [text for flag, text in FLAGS.items() if flag in flags]
    if "ground_truth" not in summary.methods and (real := {k: v for k, v in summary.real_means.items() if k in keys}):
        notes.append(
            "Real clips: " + ", ".join(f"{_names([key])} {number(value)}" for key, value in real.items()) + "."
        )
    return (*notes, *claim_notes(summary.leads, keys, summary.ranked, summary.takes))


def fallback_notes(keys: Iterable[str]) -> list[str]:
    """What † or "fallback" in a header means, where a column has it."""
    found = fallback_extractors(keys)
    return (
        [
            f"† fallback: scored by {', '.join(found)}, not by the published detector or network; never compare with "
            "published figures."
        ]
        if found
        else []
    )


def claim_notes(
    found: Mapping[str, Lead], keys: Sequence[str], ranked: Sequence[str], takes: Mapping[str, str]
) -> list[str]:
    """How bold numbers came about, and why there are none."""
    notes = []
    aims = {key: metric.spec.aim for key in keys if (metric := metric_of(key))}
    if any(aim == "reference" for aim in aims.values()):
        notes.append(
            "→ real: the best value is the real clip's; compared is each clip's distance to it, never the value."
        )
    if takes:
        notes.append(
            "Methods that take something from the reference know part of the answer: never ranked, never bold."
        )
    if len(ranked) < 2:
        return notes
    notes.append(BOLD)
    reasons = dict.fromkeys(found[key].reason for key in keys if key in found and found[key].reason)
    return [
        *notes,
        *(
            f"Nothing is bold under {_names(k for k in keys if k in found and found[k].reason == r)}: {r}."
            for r in reasons
        ),
    ]


def _names(keys: Iterable[str]) -> str:
    """Titles of metrics without arrows."""
    return ", ".join(metric.spec.title if (metric := metric_of(key)) else MetricKey.parse(key).name for key in keys)
