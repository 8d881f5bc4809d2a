"""Write docs/metrics.md from what the metrics declare: ``python docs/render.py``; a test holds the two together."""

from pathlib import Path

from gmbench.evaluation.scoring.registry import metrics

PATH = Path(__file__).parent / "metrics.md"
HEAD = """# How to read each number

Written by `python docs/render.py` from what each metric declares; `gmbench metrics NAME` prints the same.
↑ more is better, ↓ less is better, → real: the real clip's value is the best, → 0: zero is; without an arrow: none is.
What the metrics have in common, and
what goes wrong most often: [footguns.md](footguns.md).
"""


def text() -> str:
    """The page."""
    parts = [HEAD]
    for metric in metrics().values():
        f = metric.spec
        needs = ", ".join(f.needs) or "the video alone"
        unit = f", {f.unit}" if f.unit else ""
        parts.append(
            f"## `{f.name}`: {f'{f.title} {f.arrow}'.strip()}\n\n{f.interpretation}\n\n"
            + (f"Misleads: {f.caveats}\n\n" if f.caveats and f.caveats != "None known." else "")
            + f"Range {f.range}{unit}. Needs {needs}. Aggregation: {f.aggregation}. Source: {f.source}. "
            + f"Version {f.version}"
            + (".\n" if f.default else "; only when asked for.\n")
        )
    return "\n".join(parts)


if __name__ == "__main__":
    PATH.write_text(text(), "utf-8")
