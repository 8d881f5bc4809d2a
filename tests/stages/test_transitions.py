"""Sequences between two emotions: what is drawn of every way, and the files that are scored."""

import numpy as np
import pandas as pd
import pytest

from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.evaluation.interpolation import COUNT, find_sequences
from gmbench.media import Video
from gmbench.methods import registry
from gmbench.methods.card import Interpolation
from gmbench.methods.gmtalker.method import GMTalker
from gmbench.methods.interface import GenResult
from gmbench.stages import transitions
from gmbench.stages.ablation_plan import AblationPlan

PAIRS = (("happy", "sad"), ("sad", "happy"))
WAYS = (Interpolation("sample_blend", talking=True), Interpolation("hard_switch", bound=True))


class Noting(GMTalker):
    """Notes what it is asked; the share of the second emotion is the grey."""

    def __init__(self, asked):
        self.asked = asked

    def load(self, checkpoint_dir):
        self.speakers, self.emotions = ["S"], ["happy", "sad"]

    def generate(self, request):
        self.asked.append(("talking", request))
        shares = np.linspace(0, 200, request.frames)
        return GenResult(iter([np.full((64, 64, 3), share, np.uint8) for share in shares]))

    def interpolate(self, request, emotion_a, emotion_b, steps, way="sample_blend"):
        self.asked.append((way, request))
        grey = np.zeros((64, 64, 3), np.uint8)
        return [GenResult(iter([grey]), None, None, {"alpha": n / (steps - 1)}) for n in range(steps)]


@pytest.fixture
def asked(monkeypatch):
    found = []
    monkeypatch.setattr(registry, "create", lambda name: Noting(found))
    return found


@pytest.fixture
def run(run_of_all_clips):
    return run_of_all_clips


def rows(count=3):
    return [ClipRow(f"d/{s}/happy/1/{n}", "d", s, "happy", 1, str(n), "", "") for s in "SW" for n in range(count)]


def test_every_speaker_goes_between_every_pair_under_another_clip():
    found = transitions.sequence_rows(rows(), PAIRS)
    assert [name for name, *_ in found] == ["S_happy-sad", "S_sad-happy", "W_happy-sad", "W_sad-happy"]
    assert [row.clip_id for *_, row in found] == ["d/S/happy/1/0", "d/S/happy/1/1", "d/W/happy/1/0", "d/W/happy/1/1"]
    assert [row.clip_id for *_, row in transitions.sequence_rows(rows(1), PAIRS)] == ["d/S/happy/1/0"] * 2 + [
        "d/W/happy/1/0"
    ] * 2


def test_still_and_talking_sequences_are_drawn_and_scored_apart(run, asked, tmp_path, monkeypatch):
    scored = {}
    monkeypatch.setattr(transitions, "score_sequences", lambda folders, *a: scored.update(folders) or pd.DataFrame())
    monkeypatch.setattr(transitions, "_sync", lambda run, folders, rows: pd.DataFrame([{"talking": len(folders)}]))
    monkeypatch.setattr(transitions, "evaluation_protocol", lambda section, device: None)
    plan = AblationPlan((), WAYS, PAIRS, (), 1, {})
    table = transitions.measure_transitions(run, "gmtalker", plan, tmp_path / "between")
    assert set(scored) == {"sample_blend-s0", "sample_blend-talking-s0", "hard_switch-s0"}
    assert table["talking"].tolist() == [1]
    still = find_sequences(scored["hard_switch-s0"])
    assert [(s.name, s.start, s.end, s.variant) for s in still] == [
        ("S_happy-sad", "happy", "sad", "static"), ("S_sad-happy", "sad", "happy", "static"),
    ]  # fmt: skip
    assert all(len(sequence.files) == COUNT for sequence in still)
    talking = find_sequences(scored["sample_blend-talking-s0"])
    assert [s.variant for s in talking] == ["talking", "talking"]
    assert Video(talking[0].files[0]).info.frames == 6  # all of the clip's sound
    ends = [(r.emotion.weights, r.emotion_end.weights) for way, r in asked if way == "talking"]
    assert ends == [({"happy": 1.0}, {"sad": 1.0}), ({"sad": 1.0}, {"happy": 1.0})]
    seeds = {way: [r.seed for w, r in asked if w == way] for way in ("talking", "sample_blend", "hard_switch")}
    assert seeds["talking"] == seeds["sample_blend"] == seeds["hard_switch"] == [0, 100]
    before = len(asked)
    transitions.measure_transitions(run, "gmtalker", plan, tmp_path / "between")
    assert len(asked) == before  # all of it lies in the store


def test_a_way_that_cannot_be_drawn_is_named(run, asked, tmp_path, monkeypatch):
    monkeypatch.setattr(transitions, "evaluation_protocol", lambda section, device: None)
    monkeypatch.setattr(Noting, "generate", lambda self, request: (_ for _ in ()).throw(InputError("no end emotion")))
    plan = AblationPlan((), WAYS, PAIRS, (), 1, {})
    with pytest.raises(InputError, match="sequences sample_blend-talking-s0: no end emotion"):
        transitions.measure_transitions(run, "gmtalker", plan, tmp_path)


def test_the_table_shows_bounds_apart(monkeypatch):
    from gmbench.stages import ablations

    shown = []
    monkeypatch.setattr(ablations.tables, "build", lambda table: shown.append(sorted(table["method"])) or table)
    monkeypatch.setattr(ablations.table_formats, "render", lambda table, form: "table")
    methods = [f"{way}-s{seed}" for way in ("sample_blend", "hard_switch", "sample_blend-talking") for seed in (0, 1)]
    synced = ["sample_blend-talking-s0", "ground_truth"]
    names = ["e_ppl"] * len(methods) + ["sync_c"] * len(synced)
    text = ablations._sequence_tables(pd.DataFrame({"method": methods + synced, "metric_name": names}), WAYS, 2)
    assert shown == [
        ["sample_blend-s0", "sample_blend-s1", "sample_blend-talking-s0", "sample_blend-talking-s1"],
        ["hard_switch-s0", "hard_switch-s1"],
        ["ground_truth", "sample_blend-talking-s0"],
    ]
    assert text.count("lose by construction") == text.count("Sync of the talking") == 1
