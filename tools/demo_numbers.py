"""Compare the demo's numbers with those it gave before: ``python -m tools.demo_numbers``.

``tests/expected/demo.json`` holds some means of the table, with how far each may move. On one machine the demo repeats
to the last bit; on another processor the last bits differ, and networks that train on them drift apart, those of the
methods most.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.sources import ROOT

EXPECTED = ROOT / "tests" / "expected" / "demo.json"
FOUND = Path("results/synth/scores/means")
"""One file per method, as the stage ``score`` writes them."""


@dataclass(frozen=True)
class Number:
    """A mean of the demo's table.

    Attributes:
        method, metric: its row, and its column without the extractor's name.
        value, tolerance: what it was, and how far it may be from that, in the metric's unit.
        found: what it is now; None where the table has none.
    """

    method: str
    metric: str
    value: float
    tolerance: float
    found: float | None

    @property
    def agrees(self) -> bool:
        """Whether the number is where it should be."""
        return self.found is not None and abs(self.found - self.value) <= self.tolerance

    def line(self) -> str:
        """One line of the comparison."""
        found = "none" if self.found is None else f"{self.found:.4g}"
        verdict = "agrees" if self.agrees else "DIFFERS"
        return (
            f"{verdict:8} {self.method:22} {self.metric:12} {found:>8}  expected {self.value:.4g} ± {self.tolerance:g}"
        )


def compare(folder: Path, expected: Path = EXPECTED) -> list[Number]:
    """Expected numbers beside those in a folder with one JSON file per method."""
    entries = json.loads(expected.read_text("utf-8"))
    means = {entry["method"]: _means(folder / f"{entry['method']}.json") for entry in entries}
    return [
        Number(e["method"], e["metric"], e["value"], e["tolerance"], means[e["method"]].get(e["metric"]))
        for e in entries
    ]


def _means(path: Path) -> dict[str, float | None]:
    """Means of one method by metric, whichever extractor gave them."""
    if not path.exists():
        return {}
    return {key.partition("_fb:")[0]: value["mean"] for key, value in json.loads(path.read_text("utf-8")).items()}


def main() -> int:
    """Print the comparison; 1 where a number differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOUND, help="metrics of a finished demo")
    numbers = compare(parser.parse_args().folder)
    sys.stdout.writelines(f"{number.line()}\n" for number in numbers)
    wrong = [number for number in numbers if not number.agrees]
    sys.stdout.write(f"{len(numbers) - len(wrong)} of {len(numbers)} numbers agree with {EXPECTED.relative_to(ROOT)}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
