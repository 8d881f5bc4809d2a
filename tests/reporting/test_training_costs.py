"""The table of training jobs: what run cards say, and what old ones do not."""

import json

import pytest

from gmbench.reporting import paper_tables
from gmbench.reporting.paper_table_builder import build
from gmbench.reporting.training_costs import HEADER, UNKNOWN, further_people, people_of, read_run_cards

EXPRESSION = {"steps": 800, "seconds": 123.4, "parameters": 100, "frozen_parameters": 300, "peak_memory": 2**31}
BACKBONE = {
    "steps": 9000, "seconds": 1500.0, "parameters": 400, "frozen_parameters": 0, "peak_memory": None,
    "device": "one GPU",
}  # fmt: skip
CARD = {
    "system": "edtalk", "method": "edtalk", "dataset": "synth", "clips": {"train": 60},
    "settings": {"source": "shipped", "expression": {"drawn": {"people": 40}}, "backbone": {"side": 64}},
    "parts": {"expression": EXPRESSION | {"stopped_early": True}, "backbone": BACKBONE},
}  # fmt: skip


def _lines(*cards):
    table = build(paper_tables.find("edtalk-fig5"), cards=cards)
    assert table.header == HEADER
    return [[cell.text for cell in line] for line in table.body], " ".join(table.notes), table.title


def test_a_line_per_job_in_the_order_of_the_stages():
    lines, notes, title = _lines(CARD)
    assert lines == [
        ["edtalk", "backbone", "9000", "1500", "came with gmbench", "400", "0", "100", UNKNOWN, "60", UNKNOWN],
        ["edtalk", "expression", "800", "123", "here", "100", "300", "25", "2048", "60", "40"],
    ]
    assert "edtalk backbone: one GPU." in notes
    assert "Stopped by its budget of seconds: edtalk expression." in notes
    assert title == "synth, as EDTalk figure 5, measured"


def test_what_an_old_run_card_does_not_say_is_left_open():
    lines, notes, _ = _lines({"system": "mine", "parts": {"net": {"steps": 10}}})
    assert lines == [["mine", "net", "10", UNKNOWN, "here", *[UNKNOWN] * 6]]
    assert "Came with gmbench, trained" not in notes


def test_without_run_cards_the_table_says_how_to_get_them():
    lines, notes, _ = _lines()
    assert lines == []
    assert "No run cards" in notes


@pytest.fixture
def models(tmp_path):
    cards = {
        "synth/edtalk": CARD, "strangers/edtalk": {"system": "edtalk", "models_of": "synth"},
        "synth/edtalk-wo_bank": CARD | {"system": "edtalk-wo_bank"}, "synth/edtalk-s1": CARD | {"system": "edtalk-s1"},
        "mead/mine": {"system": "mine", "parts": {"net": {"steps": 10}}},
    }  # fmt: skip
    for name, card in cards.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "card.json").write_text(json.dumps(card))
    return tmp_path


def test_run_cards_are_those_of_whole_systems_at_the_first_seed(models):
    assert [card["system"] for card in read_run_cards(models)] == ["mine", "edtalk"]
    assert [card["system"] for card in read_run_cards(models, "synth")] == ["edtalk"]
    assert read_run_cards(models, "strangers") == []


def test_people_belong_to_the_jobs_that_ask_for_them():
    settings = {"nfmg": {"pretrain_people": 400, "track_people": 0}, "teachers": {"drawn": {"people": 800}}, "seed": 3}
    assert people_of("pretrained", settings) == 400
    assert people_of("nfmg-M001", settings) == 0
    assert people_of("teachers", settings) == 800
    assert people_of("head-M001", settings) == 0
    drawn = {"start": {"source": "drawn", "people": 60}, "nfmg": {"pretrain_people": 0}, "gmeg": {"track_people": 0}}
    assert [people_of(job, drawn) for job in ("start", "pretrained", "gmeg")] == [60, 60, 0]
    assert further_people(drawn) == {"start": 60}
    assert people_of("start", {"start": {"source": "models/synth/gmtalker", "people": 60}}) == 0
