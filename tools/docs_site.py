"""Hooks of the documentation site (``mkdocs.yml``): pages that do not live in ``docs`` join it, with links that fit.

``README.md``, ``CONTRIBUTING.md`` and ``CHANGELOG.md`` become pages, and every folder of ``examples`` a page that shows
its files. On the site all pages lie in one folder; a link to any other file of the repository becomes plain text.
"""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
EXAMPLES = ROOT / "examples"
_SHOWN = {
    ".py": "python",
    ".toml": "toml",
    ".sh": "bash",
    ".sbatch": "bash",
    "": "dockerfile",
    ".dockerfile": "dockerfile",
}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that do not lie in ``docs``."""
    from mkdocs.structure.files import File

    for name in PAGES:
        files.append(File.generated(config, name, content=(ROOT / name).read_text("utf-8")))
    for folder in sorted(path for path in EXAMPLES.iterdir() if path.is_dir()):
        files.append(File.generated(config, f"examples/{folder.name}.md", content=example_page(folder)))
    return files


def example_page(folder: Path) -> str:
    """An example's files, one below the other."""
    parts = [f"# {folder.name}\n"]
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in _SHOWN):
        if "__pycache__" not in path.parts:
            text = path.read_text("utf-8").rstrip()
            parts.append(f"## {path.relative_to(folder).as_posix()}\n\n````{_SHOWN[path.suffix]}\n{text}\n````\n")
    return "\n".join(parts)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links as the site has the files; see the module."""
    here = page.file.src_uri
    base = ROOT if here in PAGES else ROOT / "docs" / Path(here).parent

    def fitted(match: re.Match[str]) -> str:
        picture, text, target, anchor = match[1], match[2], match[3], match[4] or ""
        found = site_name(base / target)
        up = "../" * (len(Path(here).parts) - 1)
        return f"{picture}[{text}]({up}{found}{anchor})" if found else text

    return _LINK.sub(fitted, markdown)


def site_name(path: Path) -> str:
    """Where the site has a file of the repository; empty where it has none. Raises FileNotFoundError: no such file."""
    path = path.resolve(strict=True)
    inside = path.relative_to(ROOT)
    if inside.parts[0] == "docs" and path.is_file():
        return inside.relative_to("docs").as_posix()
    if inside.parts[0] == "examples" and len(inside.parts) > 1 and (EXAMPLES / inside.parts[1]).is_dir():
        return f"examples/{inside.parts[1]}.md"
    return inside.as_posix() if inside.as_posix() in PAGES else ""
