import csv
import html.parser
import io
import math
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from gmbench.errors import InputError, MixedColumnError
from gmbench.evaluation.results import records
from gmbench.metrics.key import MetricKey
from gmbench.reporting.table_formats import number, render
from gmbench.reporting.tables import build


def rows(method, metric, values, **changes):
    base = {
        "method": method,
        "dataset": "d",
        "speaker": "",
        "emotion": "",
        "metric": metric,
        "status": "ok",
        "reason": "",
        "flags": "",
        "frames_used": 10,
        "frames_expected": 10,
        "clips_used": 1,
        "clips_expected": 1,
        "protocol": "full",
        "protocol_hash": "h",
        "backend": "official",
        "weights_sha256": "",
        "metric_name": MetricKey.parse(metric).name,
        "metric_version": 1,
        "generated_sha256": "",
        "reference_sha256": "",
        "generated_size": "",
        "reference_size": "",
    }
    return [base | {"clip": f"c{i:02d}", "value": v} | changes for i, v in enumerate(values)]


def table_of(*groups):
    return records.frame([records.Record(**row) for group in groups for row in group])


HARD = np.random.default_rng(0).normal(20, 4, 24)


def test_best_is_bold_only_where_the_paired_test_supports_it():
    clear = table_of(rows("a", "psnr", HARD + 1.0), rows("b", "psnr", HARD), rows("c", "psnr", HARD - 1.0))
    assert "| a | 24 | **20.54**" in render(build(clear), "md")
    noise = np.random.default_rng(1).normal(0, 3, 24)
    close = table_of(rows("a", "psnr", HARD + noise), rows("b", "psnr", HARD), rows("c", "psnr", HARD - 9))
    bold = [cell for line in build(close).body for cell in line if cell.bold]
    assert bold == []


def test_controls_are_never_best_and_stand_last():
    table = build(
        table_of(rows("ground_truth", "psnr", HARD + 50), rows("a", "psnr", HARD + 1), rows("b", "psnr", HARD))
    )
    assert [line[0].text for line in table.body] == ["a", "b", "ground_truth"]
    assert [line[2].bold for line in table.body] == [True, False, False]


def test_metrics_without_a_better_side_have_no_best():
    table = build(table_of(rows("a", "div_fb:mediapipe", HARD + 5), rows("b", "div_fb:mediapipe", HARD)))
    assert not any(cell.bold for line in table.body for cell in line)


@pytest.mark.parametrize(
    "change", [{"protocol_hash": "other"}, {"backend": "fallback:x"}, {"weights_sha256": "1"}, {"metric_version": 2}]
)
def test_one_column_never_mixes(change):
    mixed = table_of(rows("a", "psnr", [1.0, 2.0]), rows("b", "psnr", [1.0, 2.0], **change))
    with pytest.raises(MixedColumnError, match=f"psnr.*{next(iter(change))}"):
        build(mixed)


def test_coverage_and_undefined_values_are_shown():
    table = build(table_of(rows("a", "ssim", [0.5, math.nan, 0.7]), rows("b", "ssim", [math.nan] * 3)))
    a, b = (line[2] for line in table.body)
    assert (a.text, a.note) == ("0.600", "2/3")
    assert (b.text, b.note) == ("n/a", "0/3")
    assert any("left out of the mean" in note for note in table.notes)


def test_fallback_extractors_are_named_in_the_header_and_below():
    table = build(table_of(rows("a", "m_lmd_fb:mediapipe", [1.0, 2.0], backend="fallback:mediapipe")))
    assert "fallback: mediapipe" in table.header[2]
    assert any("never compare with published" in note for note in table.notes)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (33.7594, "33.76"),
        (0.98765, "0.988"),
        (123.456, "123.5"),
        (12345.6, "12346"),
        (0.0, "0"),
        (math.inf, "∞"),
        (math.nan, "n/a"),
        (-0.25, "-0.250"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_infinity_in_every_format():
    table = build(table_of(rows("ground_truth", "psnr", [math.inf, math.inf])))
    assert "∞" in render(table, "md")
    assert r"$\infty$" in render(table, "latex")
    assert "∞" in render(table, "html")


NASTY = "<script>alert(1)</script> | a_b & 50% {x} \\ #1"


def test_names_from_outside_are_escaped():
    table = build(table_of(rows(NASTY, "psnr", [1.0, 2.0])))
    page = render(table, "html")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    line = next(line for line in render(table, "md").splitlines() if "script" in line)
    assert len(re.findall(r"(?<!\\)\|", line)) == 4
    assert r"a\_b \& 50\% \{x\} \textbackslash{} \#1" in render(table, "latex")
    assert next(csv.reader(io.StringIO(render(table, "csv").split("\n", 1)[1])))[0] == NASTY


def test_html_is_balanced():
    stack = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            stack.append(tag)

        def handle_endtag(self, tag):
            assert stack.pop() == tag

    table = table_of(rows("a", "psnr", HARD + 1), rows("b", "psnr", HARD))
    Parser().feed(render(build(table), "html"))
    assert stack == []


def test_latex_has_as_many_cells_as_columns(tmp_path):
    text = render(build(table_of(rows("a_b", "psnr", HARD + 1), rows("b", "psnr", HARD))), "latex")
    columns = len(re.search(r"\\begin\{tabular\}\{(\w+)\}", text)[1])
    for line in text.splitlines():
        if line.endswith(r"\\"):
            assert len(re.findall(r"(?<!\\)&", line)) == columns - 1
    if shutil.which("pdflatex"):
        page = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{text}\end{{document}}"
        (tmp_path / "t.tex").write_text(page)
        subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True)


def test_the_same_records_give_the_same_text():
    table = table_of(rows("a", "psnr", HARD + 1), rows("b", "psnr", HARD))
    shuffled = table.sample(frac=1, random_state=0)
    for form in ("md", "csv", "latex", "html"):
        assert render(build(table), form) == render(build(pd.DataFrame(shuffled)), form)


def test_unknown_format_and_metric():
    table = table_of(rows("a", "psnr", [1.0]))
    with pytest.raises(InputError, match="did you mean latex"):
        render(build(table), "latx")
    with pytest.raises(InputError, match="did you mean psnr"):
        build(table, ["psrn"])


def test_metrics_without_a_column_are_named():
    table = table_of(rows("a", "psnr", [1.0, 2.0]), rows("a", "open_dtw", [0.1, 0.2]))
    assert "Evaluated too, shown where --metrics names them: open_dtw." in build(table).notes
    assert not [note for note in build(table, ["psnr"]).notes if "Evaluated too" in note]
    assert "open_dtw" in build(table, ["open_dtw"]).keys
