"""Write files of the project into the code blocks of a page, so that what the page shows is what the tests run.

A line ``<!-- file: examples/my_metric/pyproject.toml -->`` before a fenced block names the file that the block holds.
``python -m tools.include --write`` rewrites the blocks, ``--check`` says whether they are right.
"""

import argparse
import re
import sys

from tools.sources import ROOT

PAGES = (ROOT / "docs" / "extending.md",)
_BLOCK = re.compile(r"(<!-- file: (\S+) -->\n)```\w+\n.*?```\n", re.DOTALL)
_LANGUAGES = {".py": "python", ".toml": "toml"}


def included(page: str) -> str:
    """The text of a page with every named block rewritten from its file."""

    def block(match: re.Match[str]) -> str:
        file = ROOT / match[2]
        return f"{match[1]}```{_LANGUAGES[file.suffix]}\n{file.read_text('utf-8')}```\n"

    return _BLOCK.sub(block, page)


def main() -> int:
    """Write or check; 1 where a page is not what it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--write", action="store_true", help="rewrite the pages")
    group.add_argument("--check", action="store_true", help="compare only")
    write, wrong = parser.parse_args().write, 0
    for page in PAGES:
        text = page.read_text("utf-8")
        if included(text) == text:
            continue
        wrong += 1
        if write:
            page.write_text(included(text), "utf-8")
        else:
            sys.stderr.write(f"{page}: blocks differ from their files; run python -m tools.include --write\n")
    return 0 if write else int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
