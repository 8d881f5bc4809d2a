"""The example at the top of the README prints what the page shows."""

import pytest

from tools.readme_example import PAGE, printed, rewritten, steps


def test_steps_are_commands_with_their_output():
    page = "text\n\n    $ one \\\n      --two\n    a  b\n    $ three\n\ntext\n"
    found = steps(page)
    assert [(step.command, step.shown) for step in found] == [("one \\\n  --two", ["a  b"]), ("three", [])]
    assert rewritten(page, [["c"], ["d"]]) == page.replace("a  b", "c")


def test_lines_that_the_page_leaves_out_stay_out():
    page = "text\n\n    $ one\n    a\n    ...\n    z\n\ntext\n"
    assert rewritten(page, [["b", "c", "d", "y"]]) == page.replace("a", "b").replace("z", "y")


@pytest.mark.slow
def test_the_readme_shows_what_is_printed(tmp_path):
    page = PAGE.read_text("utf-8")
    assert rewritten(page, printed(steps(page), tmp_path)) == page, "run python -m tools.readme_example --write"
