"""Run the commands of the README's example and write down what they print: ``python -m tools.readme_example --write``.

The example is the indented block whose lines begin with ``$``. A command that shows output in the page must print just
that, where a line ``...`` stands for any lines; of one that shows none only its success is asked for, and of ``gmbench
demo`` only that its clips are there.
"""

import argparse
import difflib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tools.sources import ROOT

PAGE = ROOT / "README.md"
_BLOCK = re.compile(r"(?:^    \$ .*\n)(?:^    .*\n)+", re.MULTILINE)
_LEFT_OUT = "..."
_LAST_RUN = "gmbench compare"
"""Commands after the one that begins so serve or show what the example does not need."""
_DRAW = "gmbench demo --out "
"""Of the command that begins so the example uses the clips alone, which are drawn without its evaluation."""


@dataclass
class Step:
    """A command and the lines that the page shows below it."""

    command: str
    shown: list[str]


def steps(page: str) -> list[Step]:
    """The commands of the example with their output."""
    block = _BLOCK.search(page)
    if block is None:
        raise ValueError(f"{PAGE.name}: no indented block with commands after $")
    found: list[Step] = []
    for line in block[0].splitlines():
        text = line[4:]
        if text.startswith("$ "):
            found.append(Step(text[2:], []))
        elif found[-1].command.endswith("\\"):
            found[-1].command += f"\n{text}"
        else:
            found[-1].shown.append(text)
    return found


def printed(found: list[Step], folder: Path) -> list[list[str]]:
    """What the commands print on standard output, up to the last one that is run, in a new folder."""
    last = max(place for place, step in enumerate(found) if step.command.startswith(_LAST_RUN))
    commands = [_clips_alone(step) for step in found[: last + 1]]
    script = "set -e\n" + "\n".join(f"{{ {command}\n}} > out-{n}" for n, command in enumerate(commands))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GMBENCH_STORE": str(folder / "store"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    subprocess.run(["bash", "-c", script], cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return [[line.rstrip() for line in (folder / f"out-{n}").read_text("utf-8").splitlines()] for n in range(last + 1)]


def _clips_alone(step: Step) -> str:
    """The command of a step, or what draws the clips where the page shows nothing else of it."""
    if step.shown or not step.command.startswith(_DRAW):
        return step.command
    clips = f"{step.command.removeprefix(_DRAW)}/clips"
    code = (
        f"from pathlib import Path; from gmbench.corpus.sketch import write_sketches; write_sketches(Path({clips!r}))"
    )
    return f"python -c {shlex.quote(code)}"


def rewritten(page: str, outputs: list[list[str]]) -> str:
    """The page with what the commands print below those that show output."""
    found = steps(page)
    lines = []
    for place, step in enumerate(found):
        shown = _cut(outputs[place], step.shown) if step.shown and place < len(outputs) else step.shown
        lines += [f"$ {step.command.splitlines()[0]}", *step.command.splitlines()[1:], *shown]
    block = "".join(f"    {line}".rstrip() + "\n" for line in lines)
    return _BLOCK.sub(lambda _: block, page, count=1)


def _cut(lines: list[str], shown: list[str]) -> list[str]:
    """What is printed, with as many lines before and after ``...`` as the page shows, if it leaves some out."""
    if _LEFT_OUT not in shown:
        return lines
    before = shown.index(_LEFT_OUT)
    after = len(shown) - before - 1
    return [*lines[:before], _LEFT_OUT, *lines[len(lines) - after :]]


def main() -> int:
    """Write or check; 1 where the page shows something else."""
    parser = argparse.ArgumentParser(description=__doc__)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--write", action="store_true", help="rewrite the page")
    group.add_argument("--check", action="store_true", help="compare only")
    write = parser.parse_args().write
    page = PAGE.read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        right = rewritten(page, printed(steps(page), Path(folder)))
    if write:
        PAGE.write_text(right, "utf-8")
        return 0
    sys.stderr.writelines(difflib.unified_diff(page.splitlines(True), right.splitlines(True), "page", "printed", n=0))
    return int(right != page)


if __name__ == "__main__":
    sys.exit(main())
