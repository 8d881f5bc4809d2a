"""Tables and lists on the screen fit their width, and nothing of them is cut."""

import re

import pytest

from gmbench.commands.terminal.layout import list_lines
from gmbench.commands.terminal.tables import table_lines
from gmbench.reporting.table_formats import Cell, Measured, Table, interval, number
from gmbench.reporting.table_layout import transposed, with_digits, without_intervals


def cell(value, bold=False, note=""):
    low, high = value - 0.5, value + 0.5
    return Cell(number(value), interval(low, high), note, bold, Measured(value, low, high, 5, 5))


def table(methods, metrics, notes=()):
    names = [f"method_{i:02d}-with-a-name" for i in range(methods)]
    titles = [f"Metric {j:02d} ↑ [dB]" + (" (fallback: corpus)" if j % 2 else "") for j in range(metrics)]
    body = tuple(
        (Cell(name), Cell("5"), *(cell(10 + i + j / 100) for j in range(metrics))) for i, name in enumerate(names)
    )
    return Table("set, protocol full", ("Method", "Clips", *titles), body, tuple(notes))


def lines(shown, width=None, **options):
    return [text for text, _ in table_lines(shown, width, **options)]


def values(shown):
    return sorted(found for text in shown for found in re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", text))


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(("methods", "metrics"), [(2, 3), (2, 40), (12, 3), (12, 40), (1, 1), (0, 3)])
def test_every_number_is_there_and_every_line_fits(width, methods, metrics):
    made = table(methods, metrics)
    shown = lines(made, width)
    assert max(map(len, shown)) <= width
    expected = sorted(number(10 + i + j / 100) for i in range(methods) for j in range(metrics))
    without = [text for text in shown if "left out" not in text]
    kept = values(re.sub(r"\[[^\]]*\]", "", text) for text in without)
    assert kept == expected


def test_intervals_go_first_then_units():
    wide, middle, narrow = (lines(table(3, 4), width) for width in (100, 60, 40))
    assert "[9.500, 10.50]" in "\n".join(wide)
    assert "left out" not in "\n".join(wide)
    assert "[9.500" not in "\n".join(middle)
    assert "[dB]" in "\n".join(middle)
    assert "intervals are left out to fit 60 columns; --wide shows them" in middle
    assert "intervals and units are left out to fit 40 columns" in " ".join(narrow)
    assert "[dB]" not in "\n".join(narrow)


def test_rows_and_columns_as_they_fit():
    assert lines(table(2, 10), 80)[2].split()[0] != "Method"
    few_metrics = lines(table(20, 2), 80)
    assert [text for text in few_metrics if text.startswith("Method")]
    assert [text for text in lines(table(20, 2), 80, swap=True) if text.startswith("Metric ")]
    kept = lines(Table("ranks", ("Method", "Mean rank"), ((Cell("a"), Cell("1")),), ()), 80, turnable=False)
    assert kept[1].split() == ["Method", "Mean", "rank"]


def test_marks_stand_for_fallbacks_stars_and_what_is_taken():
    made = table(1, 2, ["† fallback: scored by corpus.", "Bold: best."])
    first = made.body[0]
    shown = lines(
        Table(made.title, made.header, ((Cell("a", note="pose from the reference"), *first[1:]),), made.notes)
    )
    assert [text for text in shown if text.startswith("Metric 01 ↑ [dB]†")]
    assert "‡ takes from the reference: a pose from the reference" in shown
    assert "† fallback: scored by corpus." in shown
    assert not [text for text in shown if "best" in text]
    best = Table(made.title, made.header, ((Cell("a"), Cell("5"), cell(1.0, bold=True), cell(2.0)),), made.notes)
    assert "*: best." in lines(best)
    assert "1.000*" in "\n".join(lines(best))
    assert lines(best)[0] == "set, protocol full, 5 clips"


def test_decimals_intervals_and_turning():
    made = table(2, 2)
    assert with_digits(made, 1).body[0][2] == Cell("10.0", "9.5, 10.5", measured=made.body[0][2].measured)
    assert without_intervals(made).body[1][3].interval == ""
    turned = transposed(made)
    assert turned.header == ("Metric", "method_00-with-a-name", "method_01-with-a-name")
    assert [row[0].text for row in turned.body] == list(made.header[1:])
    assert (number(0.0004), number(0.0), number(-0.0003), number(0.0004, 2)) == ("4e-04", "0", "-3e-04", "0.00")


def test_texts_stand_side_by_side_or_one_below_the_other():
    rows = [("weights x", "missing", f"put {'long' * 12}.pth into /some/folder", "fid"), ("codec", "ok", "decoder", "")]
    header = ("what", "state", "detail", "rules out")
    wide = list_lines(header, rows, 200)
    assert wide.header[0].split() == ["what", "state", "detail", "rules", "out"]
    assert [len(texts) for texts in wide.rows] == [1, 1]
    narrow = list_lines(header, rows, 70)
    assert narrow.header == []
    assert narrow.rows[0] == ["weights x  missing", f"    detail: put {'long' * 12}.pth", "        into /some/folder",
                              "    rules out: fid"]  # fmt: skip
    assert narrow.rows[1] == ["codec      ok       decoder"]
