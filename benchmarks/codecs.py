"""What codecs alone do to each metric: ``python -m benchmarks.codecs corpus=DIR real=DIR [--write]``.

Each folder is what ``gmbench validate --corruptions reencode,h265,aac,mp3,opus`` wrote of some clips. Prints the table
of docs/extractors.md; ``--write`` puts the changes into metrics/codec_changes.csv, from which the metrics' facts warn.
"""

import argparse
import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gmbench.evaluation.scoring.registry import metrics
from gmbench.evaluation.validate import CODECS, Curve
from gmbench.metrics.codecs import PATH, PERCENT, RATES, CodecChange
from gmbench.metrics.key import MetricKey
from gmbench.reporting.validation_curves import change_by_codec

_NAMES = {"reencode": "h264"}
_NEAR_ZERO = ("_p", "_offset", "cpbd_drift", "psnr_drift", "lpips_alex_drift", "f_sim_drift")
"""Ends of names whose value before is near zero, so that shares of it say nothing."""
_LEAST = 1e-6


def measured(clips: str, folder: Path) -> Iterator[CodecChange]:
    """Changes of every metric that has a best value, of one set of clips."""
    for row in json.loads((folder / "validation.json").read_text("utf-8")):
        curve = Curve.from_json(row)
        name = MetricKey.parse(curve.metric).name
        if curve.corruption not in CODECS or metrics()[name].spec.aim == "none" or name.endswith(_NEAR_ZERO):
            continue
        found = change_by_codec(curve)
        if found is not None and any(abs(value) > _LEAST and math.isfinite(value) for value in found.values):
            codec = _NAMES.get(curve.corruption, curve.corruption)
            yield CodecChange(name, clips, codec, PERCENT if found.relative else "", found.values)


def write(changes: Iterable[CodecChange], path: Path = PATH) -> None:
    """The table of the facts."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["metric", "clips", "codec", "unit", "mild", "middle", "strong"])
        for change in changes:
            values = (f"{value:.3g}" for value in change.values)
            table.writerow([change.metric, change.clips, change.codec, change.unit, *values])


def markdown(changes: Sequence[CodecChange]) -> str:
    """Metrics that some codec moves, by codec and set of clips."""
    sets, moving = (dict.fromkeys(c.clips for c in changes), dict.fromkeys(c.metric for c in changes if c.moves))
    cells = {(c.metric, c.clips, c.codec): c for c in changes}
    used = [codec for codec in RATES if any(c.codec == codec for c in changes)]
    lines = ["| metric | clips | " + " | ".join(RATES[codec][0] for codec in used) + " |"]
    lines.append("|---|---|" + "---:|" * len(used))
    for metric in moving:
        for clips in sets:
            row = [cells.get((metric, clips, codec)) for codec in used]
            if any(row):
                texts = ["–" if c is None else f"{c.listed}{' %' if c.unit else ''}" for c in row]
                lines.append(f"| {metric} | {clips} | {' | '.join(texts)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, write the facts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", help="corpus=DIR, real=DIR")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    pairs = [text.partition("=") for text in arguments.folders]
    order = list(metrics())
    changes = [change for clips, _, folder in pairs for change in measured(clips, Path(folder))]
    changes.sort(key=lambda c: (order.index(c.metric), c.clips, list(RATES).index(c.codec)))
    if arguments.write:
        write(changes)
    print(markdown(changes))


if __name__ == "__main__":
    main()
