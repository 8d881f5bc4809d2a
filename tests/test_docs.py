"""Pages that are written from the code say what the code says, and links lead somewhere."""

import ast
import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import typer.main

from gmbench.commands.app import app

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


def test_the_page_of_metrics_is_what_the_metrics_declare():
    spec = importlib.util.spec_from_file_location("render", ROOT / "docs" / "render.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PATH.read_text("utf-8") == module.text(), "run 'python docs/render.py'"


def test_links_between_pages_lead_to_files():
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def _texts_of_the_program():
    """Every string of the package, with a blank where a value is filled in."""
    for path in (ROOT / "gmbench").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else " " for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_troubleshooting_quotes_the_programs_own_words():
    table = (ROOT / "README.md").read_text("utf-8").partition("## Troubleshooting")[2].partition("\n## ")[0]
    quotes = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(quotes) >= 8
    texts = list(_texts_of_the_program())
    for quote in quotes:
        wanted = [re.compile(re.escape(quote))]  # <...> stands for itself, or for a value
        wanted.append(re.compile(".*".join(re.escape(part) for part in re.split(r"<\w+>", quote))))
        assert any(pattern.search(text) for text in texts for pattern in wanted), f"nothing says {quote!r}"


def _commands(page):
    """The indented lines of a page that call gmbench, with those that they continue in, without comments."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    for line in re.findall(r"^    (?:\$ )?gmbench (.+)", text, re.MULTILINE):
        yield shlex.split(line, comments=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_pages_have_the_options_that_they_show(page):
    for words in _commands(page):
        if "COMMAND" not in words:
            assert _parsed([word for word in words if word != "--debug"]), f"{page.name}: gmbench {shlex.join(words)}"


def _parsed(words):
    """Whether a line parses, without running it; in ``...`` may be what it lacks. A wrong option raises."""
    command, context = typer.main.get_command(app), None
    while hasattr(command, "commands") and words:
        context = typer.Context(command, info_name="gmbench", parent=context)
        first, *words = words
        if first not in command.commands:
            return False
        command = command.commands[first]
    if "..." in words:
        return all(word == "..." or not word.startswith("-") or word in _options(command) for word in words)
    return command.make_context("gmbench", words, parent=context) is not None


def _options(command):
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_folders_are_no_revisions_where_dvc_compares(page):
    """Without --targets dvc takes a path for a revision of git, which there is none of."""
    compared = re.findall(r"dvc (?:metrics|params|plots) diff ([^`\n#]*)", page.read_text("utf-8"))
    wrong = [words for words in compared if "/" in words and not words.startswith("--targets")]
    assert wrong == []
