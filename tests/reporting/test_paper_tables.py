import csv
import io
import re
import shutil
import subprocess

import numpy as np
import pytest

from gmbench.errors import InputError
from gmbench.methods import registry
from gmbench.reporting import paper_tables, published_tables, ranks, tables
from gmbench.reporting.latents import Latents
from gmbench.reporting.paper_table_builder import ABSENT, build
from gmbench.reporting.summary import Summary
from gmbench.reporting.table_formats import FORMATS, render
from gmbench.reporting.user_study import StudyRow
from tests.reporting.test_tables import rows, table_of

HARD = np.random.default_rng(0).normal(20, 4, 24)
ALL = (
    *(f"gmtalker-{n}" for n in range(1, 8)),
    "flowvqtalker-1",
    "flowvqtalker-1-hdtf",
    "flowvqtalker-2",
    "edtalk-1",
    "edtalk-1-hdtf",
    "dicetalk-1",
    "dicetalk-1-ood",
    *(f"dicetalk-{n}" for n in range(2, 6)),
    "flowvqtalker-fig5",
    "flowvqtalker-fig6",
    "flowvqtalker-fig7",
    "edtalk-fig5",
    "edtalk-fig6",
)
PRINTED = tuple(form for form in paper_tables.load_all().values() if not form.figure)


def test_every_table_of_the_four_papers_has_a_form_and_printed_numbers():
    assert tuple(paper_tables.load_all()) == ALL
    for form in PRINTED:
        assert published_tables.select(form.source, form.dataset, form.table), form.name


def test_the_counterpart_of_a_figure_has_the_steps_of_the_ladder_and_no_printed_numbers():
    form = paper_tables.find("flowvqtalker-fig7")
    measured_ladder = table_of(rows("flowvqtalker-b-coefficients", "psnr", HARD), rows("eat", "psnr", HARD))
    table = build(form, measured_ladder)
    assert [line[0].text for line in table.body] == ["B", "B+W", "B+W+φ", "B+W+φ+M", "Full"]
    assert table.body[0][1].text != table.body[1][1].text == ABSENT
    assert "figure 7" in form.title


def test_printed_columns_stand_in_the_forms():
    for form in PRINTED:
        printed = {m for t in published_tables.select(form.source, form.dataset, form.table) for m in t.metrics}
        if form.kind in ("comparison", "ablation"):
            short = {m.removeprefix("Emo-Score ") for m in printed}
            assert short <= set(form.metrics), form.name


def measured():
    return table_of(
        rows("eat", "psnr", HARD),
        rows("gmtalker", "psnr", HARD + 1),
        rows("ground_truth", "psnr", HARD + 9),
        rows("gmtalker", "fid_fb:corpus", [7.0], backend="fallback:corpus"),
        rows("between-s0", "e_ppl", [3.0]),
    )


def test_a_comparison_has_cards_arrows_and_reasons():
    table = build(paper_tables.find("gmtalker-1"), measured())
    assert table.header[:5] == ("Method", "Emotion source", "Pose", "Eye", "Emotion")
    lines = {line[0].text: [cell.text for cell in line[1:]] for line in table.body}
    assert lines["eat"][:4] == ["label", "transfer", "none", "generate"]
    assert lines["gmtalker"][4] == "20.54"
    assert table.header[7] == "FID ↓ (fallback: corpus)"
    assert lines["eat"][6] == "n/a"
    assert list(lines) == ["eat", "gmtalker", "ground_truth"]  # between-s0 has none of the columns
    assert any("Sync: no records of sync_c (needs" in note for note in table.notes)
    bold = [line[0].text for line in table.body for cell in line if cell.bold]
    assert bold == ["gmtalker"]


def test_the_resolution_is_that_of_the_scored_frames_not_of_the_card():
    found = table_of(
        rows("gmtalker", "psnr", HARD[:3], generated_size="128x128") + rows("gmtalker", "ssim", HARD[:3]),
        [
            row | {"generated_size": "96x96" if row["clip"] < "c02" else "32x24"}
            for row in rows("eat", "ssim", HARD[:3])
        ],
        rows("flowvqtalker-s1", "ssim", HARD[:3], generated_size="64x64"),
        rows("edtalk", "ssim", [np.nan], status="missing", reason="no clip"),
    )
    table = build(paper_tables.find("flowvqtalker-1"), found)
    place = table.header.index("Resolution")
    assert {line[0].text: line[place].text for line in table.body} == {
        "eat": "96x96, 32x24", "gmtalker": "128x128", "flowvqtalker": "64x64", "edtalk": "–",
    }  # fmt: skip
    assert registry.create("gmtalker").card.native_resolution == 512  # which the table does not print


def test_missing_values_carry_their_reason():
    failed = rows("eat", "psnr", [np.nan] * 3, status="failed", reason="no face found", clips_used=0)
    table = build(paper_tables.find("gmtalker-1"), table_of(failed, rows("mine", "psnr", [1.0, 2.0, 3.0])))
    cell = next(line for line in table.body if line[0].text == "eat")[5]
    assert (cell.text, cell.note) == ("n/a", "0/3; no face found")


def test_an_ablation_averages_over_seeds_and_names_what_is_missing():
    found = table_of(
        *(rows(f"gmtalker-pose{s}", "psnr", [v, v]) for s, v in (("", 20.0), ("-s1", 22.0), ("-s2", 24.0))),
        rows("gmtalker-wo_emn-pose", "psnr", [19.0, 21.0]),
    )
    table = build(paper_tables.find("gmtalker-5"), found)
    lines = {line[0].text: line[1] for line in table.body}
    assert (lines["Full"].text, lines["Full"].note) == ("22.00", "± 1.155, 3 seeds")
    assert lines["w/o EMN"].text == "20.00"
    assert lines["w/o GM"].text == "n/a"
    how = "'gmbench ablate --method gmtalker' trains it, or says why it cannot here"
    assert f"w/o GM: no records of gmtalker-wo_gm-pose; {how}." in table.notes
    without = build(paper_tables.find("gmtalker-5"), table_of(rows("gmtalker-wo_emn-pose", "psnr", [19.0])))
    assert "Full: no records of gmtalker-pose; name gmtalker-pose under methods in params.yaml, then 'dvc repro'." in (
        without.notes
    )


def test_studies_and_latents_without_data_have_no_rows():
    for name in ("gmtalker-7", "flowvqtalker-2", "dicetalk-3"):
        table = build(paper_tables.find(name))
        assert table.body == ()
        assert "--ratings" in table.notes[0]
    assert "--latents" in build(paper_tables.find("dicetalk-5")).notes[0]


def test_studies_and_latents_with_data():
    row = StudyRow("a", "lip sync", "MOS", 4.0, 3.5, 4.5, 8, 4, 2)
    table = build(paper_tables.find("dicetalk-3"), study=[row])
    assert [cell.text for cell in table.body[0]] == ["a", "4.000"]
    names = np.array(["angry", "angry", "happy", "happy"])
    space = Latents(np.array([[0.0, 0], [0, 2], [4, 0], [4, 2]]), names, np.full(4, "p"))
    table = build(paper_tables.find("dicetalk-5"), spaces=[("mine", space)])
    assert [cell.text for cell in table.body[0]] == ["mine", "4.000", "n/a", "n/a", "4.000"]
    assert "n/a: no identity has two clips of the emotion" in table.notes[1]


def shown_cells(text, form, headings=()):
    """The grid that a reader of a rendered table sees: header and lines, without intervals, notes and bold."""
    if form == "csv":
        header, *lines = csv.reader(io.StringIO(text))
        kept = [n for n, name in enumerate(header) if not name.endswith(("_low", "_high", "_n"))]
        return [[line[n] for n in kept] for line in (header, *lines)]
    if form == "md":
        lines = [line for line in text.splitlines() if line.startswith("| ")]
        cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    elif form == "latex":
        lines = re.findall(r"^(.*) \\\\$", text, re.M)
        cells = [[cell.strip() for cell in re.split(r"(?<!\\)&", line)] for line in lines]
    else:
        cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in re.findall(r"<tr>(.*?)</tr>", text, re.S)]
    return [line for line in cells if line[0].strip("*") not in headings]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ALL)
def test_every_format_shows_every_cell_of_every_form(name, form):
    """As many lines and columns as the grid, and each value in its place."""
    table = build(paper_tables.find(name), measured())
    header, *lines = shown_cells(render(table, form), form, [heading for heading, _ in table.blocks])
    assert len(header) == len(table.header)
    assert len(lines) == len(table.body)
    for line, row in zip(lines, table.body, strict=True):
        assert len(line) == len(row)
        for shown, cell in zip(line, row, strict=True):
            if form == "csv" and cell.measured:
                assert float(shown) == pytest.approx(cell.measured.value, rel=1e-5)
            elif form != "csv" or shown or cell.text != ABSENT:  # a number that is absent is empty for machines
                assert plain(cell.text) in plain(shown)


def plain(text):
    """Letters and digits alone: formats escape the rest in ways of their own."""
    return re.sub(r"[^A-Za-z0-9]", "", re.sub(r"textbf|textasciitilde|varphi|<[^>]+>|&\w+;", "", text))


@pytest.mark.parametrize("source", [None, "GMTalker"])
def test_latex_of_own_and_printed_tables(source, tmp_path):
    if source:
        grids = [published_tables.as_table(t) for t in published_tables.select(source, None)]
    else:
        grids = [build(paper_tables.find(name), measured()) for name in ALL]
    text = "\n\n".join(render(grid, "latex") for grid in grids)
    for grid in grids:
        for line in re.findall(r"^(.*) \\\\$", render(grid, "latex"), re.M):
            assert len(re.findall(r"(?<!\\)&", line)) == len(grid.header) - 1
    if shutil.which("pdflatex") is None:
        return  # the structure is checked above
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\usepackage[utf8]{inputenc}\\begin{document}\\tiny\n"
        + text
        + "\n\\end{document}\n"
    )
    call = ["pdflatex", "-halt-on-error", "t.tex"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_unknown_forms_name_the_nearest():
    with pytest.raises(InputError, match="gmtalker-1"):
        paper_tables.find("gmtalker1")


def test_ranks_count_places_and_support():
    found = table_of(
        rows("a", "psnr", HARD + 1),
        rows("b", "psnr", HARD),
        rows("c", "psnr", HARD),
        rows("a", "m_lmd", HARD),
        rows("b", "m_lmd", HARD - 1),
        rows("ground_truth", "m_lmd", HARD * 0),
        rows("a", "div", HARD),
        rows("b", "div", HARD),
    )
    summary = Summary.of(found)
    ranked = ranks.ranks(summary)
    assert [(r.method, r.mean, r.metrics, r.firsts, r.supported) for r in ranked] == [
        ("a", 1.5, 2, 1, 1),
        ("b", 1.75, 2, 1, 1),
        ("c", 2.5, 1, 0, 0),
    ]
    assert "| a | 1.500 |" in render(ranks.as_table(ranked, "t"), "md")


def test_common_clips_get_a_column_where_coverage_differs():
    part = [v if n % 2 else np.nan for n, v in enumerate(HARD)]
    table = tables.build(table_of(rows("a", "psnr", HARD), rows("b", "psnr", part), rows("still", "psnr", HARD)))
    assert table.header[3] == "PSNR ↑ [dB], common clips"
    a, b, still = (line[3] for line in table.body)
    assert a.text == b.text == still.text == f"{HARD[1::2].mean():.2f}"
    assert any(note.startswith("Common clips") and "; 12 for PSNR." in note for note in table.notes)
    apart = tables.build(table_of(rows("a", "psnr", [1.0, np.nan, 1.0]), rows("b", "psnr", [np.nan, 2.0, np.nan])))
    assert [line[3].text for line in apart.body] == ["–", "–"]
    assert len(tables.build(table_of(rows("a", "psnr", HARD), rows("b", "psnr", HARD))).header) == 3


def test_a_method_without_any_value_does_not_empty_the_common_clips():
    """A person-specific method on strangers has no value at all; the others are compared all the same."""
    nothing = rows("absent", "psnr", np.full(24, np.nan))
    table = tables.build(table_of(nothing, rows("a", "psnr", HARD), rows("b", "psnr", HARD + 1)))
    assert not any("common clips" in title for title in table.header)
    some = np.where(np.arange(24) < 20, HARD, np.nan)
    table = tables.build(table_of(nothing, rows("a", "psnr", some), rows("b", "psnr", HARD + 1)))
    assert any("; 20 for PSNR." in note for note in table.notes)
