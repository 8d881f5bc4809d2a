"""What the tables print of a network's output: each metric through the engine, against numbers worked out by hand."""

import math

import numpy as np
import pytest

from gmbench.evaluation.scoring import network_metrics as bindings
from gmbench.evaluation.scoring.network_metrics import network_metrics
from gmbench.metrics.frechet import frechet_distance
from tests.evaluation.fake_extractor import (
    NO_FACE,
    World,
    features,
    in_step,
    probabilities,
    windows,
)
from tests.evaluation.test_bindings_motion import moving

SILENT = np.zeros(40 * 640, np.int16)


# Pairs of frames: LPIPS


def pairwise(*values):
    """A table of pairs of frames with the chosen values on its diagonal; other pairs give a value that shows."""
    table = np.full((len(values), len(values)), 99.0)
    np.fill_diagonal(table, values)
    return table


def test_lpips_is_the_mean_over_pairs_of_frames_that_have_a_value(world):
    world.pair("S/a", 4, lpips_alex=pairwise(0.1, 0.2, math.nan, 0.6), lpips_vgg=pairwise(1, 1, 1, 3))
    world.pair("S/b", 4, lpips_alex=pairwise(*[math.nan] * 4), lpips_vgg=pairwise(2, 2, 2, 2))
    records = world.clips("lpips_alex")
    assert records.loc["S/a", "value"] == pytest.approx(0.3)
    assert records.loc["S/a", ["frames_used", "frames_expected", "flags"]].tolist() == [3, 4, ""]
    assert records.loc["S/b", "status"] == "failed"
    assert "no frame could be scored" in records.loc["S/b", "reason"]
    rows = world.rows("lpips_alex", "lpips_vgg")
    assert (rows["lpips_alex"].value, rows["lpips_alex"].n, rows["lpips_alex"].expected) == (
        pytest.approx(0.3), 1, 2,
    )  # fmt: skip
    assert rows["lpips_vgg"].value == pytest.approx((1.5 + 2) / 2)


def test_lpips_of_clips_of_different_lengths_is_flagged(world):
    world.add("ours", "S/a", 4, lpips_alex=pairwise(1, 2, 3, 4))
    world.add("reference", "S/a", 7)
    record = world.clips("lpips_alex").loc["S/a"]
    assert record[["value", "frames_used", "flags"]].tolist() == [2.5, 4, "length_mismatch"]


# Sets of features: FID, FVD


@pytest.mark.parametrize("name", ["fid", "fid_eat"])
def test_fid_is_the_distance_of_all_clips_features_together(world, name):
    """{0, 2} has mean 1 and variance 2, {3, 7} has 5 and 8: 4^2 + (sqrt 8 - sqrt 2)^2 = 18."""
    other = "fid" if name == "fid_eat" else "fid_eat"
    for clip, generated, real in (("S/a", 0, 3), ("S/b", 2, 7)):
        world.add("ours", clip, **{name: features(generated), other: features(50 * generated)})
        world.add("reference", clip, **{name: features(real), other: features(real)})
    table = world.run(name)
    assert len(table) == 1
    record = table.iloc[0]
    assert record["value"] == pytest.approx(18)
    assert record[["clips_used", "clips_expected", "frames_used", "frames_expected"]].tolist() == [2, 2, 2, 2]
    assert record["flags"] == "fid_small_n"
    row = world.rows(name)[name]
    assert (row.value, row.n, row.expected) == (pytest.approx(18), 2, 2)


def test_a_set_that_lacks_a_clip_says_so(world):
    for clip, generated, real in (("S/a", 0, 3), ("S/b", 2, 7)):
        world.add("ours", clip, fid=features(generated))
        world.add("reference", clip, fid=features(real))
    world.add("ours", "S/c")  # no answer: the network saw no face
    world.add("reference", "S/c", fid=features(5))
    record = world.run("fid").iloc[0]
    assert record["flags"] == "fid_small_n unequal_n"
    assert record[["clips_used", "clips_expected", "frames_used", "frames_expected"]].tolist() == [2, 3, 2, 3]
    assert record["value"] == pytest.approx(16 + (math.sqrt(2) - 2) ** 2)  # {3, 7, 5}: mean 5, variance 4


def test_a_lack_of_references_is_no_lack_of_the_method(world):
    for clip in ("S/a", "S/b", "S/c"):
        world.add("ours", clip, fid=features(1))
        world.add("reference", clip, **({} if clip == "S/c" else {"fid": features(1)}))
    assert world.run("fid").iloc[0]["flags"] == "fid_small_n"


@pytest.mark.parametrize(
    ("name", "small", "least", "flag"), [("fid", 2048, 2, "fid_small_n"), ("fvd", 400, 64, "fvd_small_n")]
)
@pytest.mark.parametrize("side", ["ours", "reference"])
def test_small_sets_are_refused_or_flagged(tmp_path, monkeypatch, name, small, least, flag, side):
    def score(count):
        world = World(tmp_path / str(count), monkeypatch)
        counts = {"ours": small, "reference": small} | {side: count}
        for where, number in counts.items():
            world.add(where, "S/a", **{name: features(*np.arange(number))})
        return world.run(name).iloc[0]

    refused = score(least - 1)
    assert refused["status"] == "undefined"
    assert f"at least {least} are needed" in refused["reason"]
    assert score(least)["flags"] == flag
    assert score(small - 1)["flags"] == flag
    whole = score(small)
    assert (whole["status"], whole["flags"], whole["value"]) == ("ok", "", pytest.approx(0, abs=1e-3))


def test_set_statistics_are_those_of_all_features_however_they_are_pooled(monkeypatch):
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(n, 6)).astype(np.float32) for n in (9, 20, 4)]
    others = [rng.normal(1, 2, size=(n, 6)).astype(np.float32) for n in (12, 12, 12)]
    expected = frechet_distance(np.concatenate(parts), np.concatenate(others))
    for most in (10**9, 500, 1):
        monkeypatch.setattr(bindings, "EXACT_PAIRS", most)
        first, second = bindings._Pool(), bindings._Pool()
        for part in parts:
            first.add(part)
        for part in others:
            second.add(part)
        assert first.distance(second) == pytest.approx(expected, rel=1e-6)
        assert first.count == 33


# Lips and sound: SyncNet


def test_sync_parts_of_lips_in_step(world):
    """Of 40 windows in step the distance is 0; at an offset of d frames d windows meet silence, 1, the others sqrt 2.

    Of the 31 means the 16th is the one of d = 8: (32 sqrt 2 + 8) / 40 = 1.3314.
    """
    world.pair("S/a", 44, sound=SILENT, sync=in_step(40))
    rows = world.rows("sync_c", "sync_d", "av_offset")
    assert rows["sync_c"].value == pytest.approx((32 * math.sqrt(2) + 8) / 40, abs=1e-4)
    assert rows["sync_d"].value == pytest.approx(0, abs=1e-4)
    assert rows["av_offset"].value == 0
    assert (rows["sync_c"].frames_used, rows["sync_c"].frames_expected) == (40, 40)


def test_sync_scales_with_the_embeddings_and_counts_missing_windows(world):
    world.pair("S/a", 46, sound=SILENT, sync=in_step(40, lead=2, scale=3.0))
    rows = world.rows("sync_c", "sync_d")
    assert rows["sync_d"].value == pytest.approx(3 * 2 / 40, abs=1e-4)  # two windows have no sound any more
    assert (rows["sync_d"].frames_used, rows["sync_d"].frames_expected) == (40, 42)


@pytest.mark.parametrize("lead", [-4, 3])
def test_the_offset_is_how_far_the_sound_leads(world, lead):
    world.pair("S/a", 44, sound=SILENT, sync=in_step(40, lead))
    assert world.rows("av_offset")["av_offset"].value == lead


def test_the_offset_of_a_method_is_the_median(world):
    for clip, lead in (("S/a", 3), ("S/b", -5), ("S/c", 10)):
        world.pair(clip, 44, sound=SILENT, sync=in_step(40, lead))
    assert world.rows("av_offset")["av_offset"].value == 3  # the mean is 8 / 3


@pytest.mark.parametrize(("generated", "real"), [(2.0, 1.0), (1.0, 2.0)])
def test_sync_gap_is_the_distance_to_the_real_clips_confidence(world, generated, real):
    world.add("ours", "S/a", 44, sound=SILENT, sync=in_step(40, scale=generated))
    world.add("reference", "S/a", 44, sound=SILENT, sync=in_step(40, scale=real))
    assert world.rows("sync_c_gap")["sync_c_gap"].value == pytest.approx((32 * math.sqrt(2) + 8) / 40, abs=1e-3)


def test_sync_without_sound_fails_with_the_remedy_and_borrowed_sound_is_flagged(world):
    world.pair("S/a", 44, sync=in_step(40))
    world.add("ours", "S/b", 44, sync=in_step(40))
    world.add("reference", "S/b", 44, sound=SILENT)
    records = world.clips("sync_d")
    assert records.loc["S/a", "status"] == "failed"
    assert "put <clip>.wav beside it" in records.loc["S/a", "reason"]
    assert records.loc["S/b", "flags"] == "reference_audio short_sound"


def face(opening):
    """(T, 68, 2) landmarks with eyes 20 apart and chosen distances of the inner lips."""
    points = np.full((len(opening), 68, 2), 50.0)
    points[:, 42:48, 0] = 70.0
    points[:, 48:68] += [10.0, 30.0]
    points[:, 66, 1] += opening
    return points


def loudness(levels):
    """Sound of chosen loudness per frame: a square wave has its amplitude as root mean square."""
    wave = np.tile([1.0, -1.0], 320)
    return np.concatenate([level * wave for level in levels]).round().astype(np.int16)


def test_lips_that_follow_the_loudness_correlate(world, rng):
    levels = rng.uniform(1000, 20000, 60).round()
    noise = rng.permutation(levels)
    world.pair("S/a", 60, sound=loudness(levels), points=face(levels / 1000))
    late = face(np.r_[np.full(3, 5.0), levels[:-3] / 1000])
    late[50:] = math.nan
    world.pair("S/b", 60, sound=loudness(levels), points=late)
    world.pair("S/c", 60, sound=loudness(levels), points=face(np.full(60, 3.0)))
    world.pair("S/d", 60, sound=loudness(levels), points=face(noise / 1000))
    records = world.clips("sync_corr")
    assert records.loc[["S/a", "S/b"], "value"].tolist() == pytest.approx([1, 1], abs=1e-6)
    assert records.loc["S/b", ["frames_used", "frames_expected", "flags"]].tolist() == [50, 60, "low_coverage"]
    assert records.loc["S/c", "status"] == "undefined"
    assert abs(records.loc["S/d", "value"]) < 0.7


# Emotion-FAN: accuracy and probability


def test_a_hit_is_the_most_probable_emotion(world):
    world.pair("S/happy_1", emotion=probabilities(happy=0.5, sad=0.3, neutral=0.2))
    world.pair("S/happy_2", emotion=probabilities(happy=0.3, sad=0.5, neutral=0.2))
    records = world.clips("acc_emo")
    assert records["value"].to_dict() == {"S/happy_1": 100.0, "S/happy_2": 0.0}
    assert world.clips("emo_prob")["value"].to_dict() == {"S/happy_1": 0.5, "S/happy_2": 0.3}
    rows = world.rows("acc_emo", "emo_prob")
    assert (rows["acc_emo"].value, rows["acc_emo"].unit) == (50.0, "%")
    assert rows["emo_prob"].value == pytest.approx(0.4)


def test_of_equal_probabilities_the_first_of_the_suites_order_wins(world):
    for clip in ("S/angry_1", "S/happy_1"):
        world.pair(clip, emotion=probabilities(happy=0.5, angry=0.5))
    assert world.clips("acc_emo")["value"].to_dict() == {"S/angry_1": 100.0, "S/happy_1": 0.0}
    assert set(world.clips("acc_emo")["flags"].str.partition(":")[0]) == {"seen"}
    assert world.clips("acc_emo").loc["S/angry_1", "flags"] == "seen:angry"
    assert world.rows("acc_emo")["acc_emo"].flags == ""


def test_accuracy_counts_clips_and_its_macro_form_emotions(world):
    for number in range(3):
        world.pair(f"S/happy_{number}", emotion=probabilities(happy=1))
    world.pair("S/sad_0", emotion=probabilities(happy=1))
    rows = world.rows("acc_emo", "acc_emo_macro")
    assert rows["acc_emo"].value == 75
    assert rows["acc_emo_macro"].value == 50
    assert rows["acc_emo_macro"].pooled == 75


@pytest.mark.parametrize("metric", ["acc_emo", "acc_emo_macro", "emo_prob"])
def test_a_clip_without_a_face_scores_nothing_and_counts(world, metric):
    world.pair("S/happy_1", emotion=probabilities(happy=1))
    world.pair("S/happy_2", emotion=NO_FACE)
    record = world.clips(metric).loc["S/happy_2"]
    assert record[["value", "status", "flags", "frames_used", "frames_expected"]].tolist() == [0, "ok", "no_face", 0, 6]
    row = world.rows(metric)[metric]
    assert row.value == (0.5 if metric == "emo_prob" else 50)
    assert (row.n, row.expected, row.flags) == (2, 2, "no_face")


def test_frames_with_a_face_are_counted(world):
    world.pair("S/happy_1", emotion=probabilities(faces=4, happy=1))
    record = world.clips("acc_emo").loc["S/happy_1"]
    assert record[["frames_used", "frames_expected"]].tolist() == [4, 6]


@pytest.mark.parametrize("metric", ["acc_emo", "emo_score"])
def test_labels_outside_of_the_suite_and_none(world, metric, tmp_path):
    world.pair("S/1", emotion=probabilities(happy=1), affect=windows({"happy": 1}))
    world.pair("S/2", emotion=probabilities(happy=1), affect=windows({"happy": 1}))
    labels = tmp_path / "labels.csv"
    labels.write_text("clip,speaker,emotion\nS/1,S,bored\nS/2,S,\n")
    records = world.clips(metric, labels=labels)
    assert records["status"].tolist() == ["undefined", "undefined"]
    assert "emotion label 'bored' is none of the suite's" in records.loc["S/1", "reason"]
    assert records.loc["S/2", "reason"].startswith("no emotion label; pass --labels")


# EMO-AffectNet: Emo-Score


FOUR = {"neutral": 0.8, "happy": 0.6, "surprised": 0.4, "angry": 0.1}


def four_emotions(world):
    """Two happy clips and one of each other emotion: means 0.8, (0.5 + 0.7) / 2, 0.4, 0.1."""
    for name, value in FOUR.items():
        if name != "happy":
            world.pair(f"S/{name}_1", affect=windows({name: value}))
    world.pair("S/happy_1", affect=windows({"happy": 0.4, "sad": 0.6}, {"happy": 0.6}))
    world.pair("S/happy_2", affect=windows({"happy": 0.7}))


def test_emo_score_is_the_mean_over_four_emotions(world):
    four_emotions(world)
    rows = world.rows("emo_score", "emo_neutral", "emo_nonneutral", "emo_acc4")
    assert rows["emo_score"].value == pytest.approx((0.8 + 0.6 + 0.4 + 0.1) / 4)
    assert rows["emo_neutral"].value == pytest.approx(0.8)
    assert rows["emo_nonneutral"].value == pytest.approx((0.6 + 0.4 + 0.1) / 3)
    assert rows["emo_score"].value == pytest.approx((rows["emo_neutral"].value + 3 * rows["emo_nonneutral"].value) / 4)
    assert (rows["emo_score"].n, rows["emo_score"].expected) == (5, 5)


def test_other_emotions_do_not_count_for_emo_score(world):
    four_emotions(world)
    world.pair("S/sad_1", affect=windows({"sad": 1}))
    records = world.clips("emo_score")
    assert records.loc["S/sad_1", ["status", "clips_expected"]].tolist() == ["undefined", 0]
    assert "sad is none of Emo-Score's four emotions" in records.loc["S/sad_1", "reason"]
    row = world.rows("emo_score")["emo_score"]
    assert (row.value, row.n, row.expected) == (pytest.approx(0.475), 5, 5)


def test_emo_score_without_one_of_its_emotions_is_none(world):
    four_emotions(world)
    world.answers["affect"] = {number: a for number, a in world.answers["affect"].items() if number != 1}
    rows = world.rows("emo_score", "emo_nonneutral", "emo_neutral")
    assert math.isnan(rows["emo_score"].value)
    assert "classes_missing" in rows["emo_score"].flags
    assert rows["emo_nonneutral"].value == pytest.approx((0.6 + 0.4 + 0.1) / 3)
    assert (rows["emo_neutral"].n, rows["emo_neutral"].expected) == (0, 1)


def test_a_hit_of_emo_score_is_the_emotion_of_most_windows(world):
    mostly = windows({"happy": 0.6, "sad": 0.4}, {"happy": 0.6}, {"sad": 1})
    tied = windows({"happy": 0.6}, {"sad": 1})
    world.pair("S/happy_1", affect=mostly)
    world.pair("S/happy_2", affect=tied)  # happy stands before sad
    world.pair("S/surprised_1", affect=windows({"happy": 0.6}, {"surprised": 1}))
    records = world.clips("emo_acc4")
    assert records["value"].to_dict() == {"S/happy_1": 1, "S/happy_2": 1, "S/surprised_1": 0}


@pytest.mark.parametrize("metric", ["emo_score", "emo_acc4", "emo_neutral"])
def test_emo_score_of_a_clip_without_a_face_is_nothing(world, metric):
    world.pair("S/neutral_1", affect=windows())
    record = world.clips(metric).loc["S/neutral_1"]
    assert record[["value", "status", "flags", "frames_used", "frames_expected"]].tolist() == [0, "ok", "no_face", 0, 6]


def test_how_clips_become_one_number():
    """The statistic and the emotions of each metric, as the field reports it."""
    found = {name: (m.statistic, m.emotions) for name, m in network_metrics().items() if m.score or m.score_set}
    four = ("neutral", "happy", "surprised", "angry")
    macro = {
        "acc_emo_macro": (), "emo_score": four, "emo_neutral": four[:1], "emo_nonneutral": four[1:], "emo_acc4": four,
    }  # fmt: skip
    expected = dict.fromkeys(found, ("mean", ())) | {"av_offset": ("median", ())}
    assert found == expected | {name: ("macro", emotions) for name, emotions in macro.items()}


# Identity


def identity(*rows):
    return {"embeddings": np.array(rows, np.float32).reshape(len(rows), 2) if rows else np.empty((0, 0), np.float32)}


LOST = (math.nan, math.nan)


def test_identity_compares_with_the_first_face_of_the_reference(world):
    """Cosines with (1, 0): 1, 0.6, and 0 of a frame without a face."""
    world.add("ours", "S/happy_1", 3, identity=identity((2, 0), (3, 4), LOST))
    world.add("reference", "S/happy_1", 3, identity=identity(LOST, (5, 0), (0, 1)))
    record = world.clips("f_sim").loc["S/happy_1"]
    assert record["value"] == pytest.approx((1 + 0.6 + 0) / 3)
    assert record[["frames_used", "frames_expected", "flags"]].tolist() == [2, 3, "own_reference"]


def test_identity_prefers_a_neutral_clip_of_the_speaker(world):
    for clip, own, real in (
        ("A/happy_1", (1, 0), (1, 0)), ("A/neutral_1", (1, 0), (0, 1)), ("A/neutral_2", (1, 0), (3, 4)),
        ("B/happy_1", (1, 0), (1, 0)),
    ):  # fmt: skip
        world.add("ours", clip, identity=identity(own))
        world.add("reference", clip, identity=identity(real))
    records = world.clips("f_sim")
    assert records["value"].to_dict() == pytest.approx(
        {"A/happy_1": 0.0, "A/neutral_1": 0.0, "A/neutral_2": 0.0, "B/happy_1": 1.0}
    )
    assert records["flags"].to_dict() == {
        "A/happy_1": "", "A/neutral_1": "", "A/neutral_2": "", "B/happy_1": "own_reference",
    }  # fmt: skip


def test_identity_without_faces(world):
    world.add("ours", "A/happy_1", identity=identity())
    world.add("reference", "A/happy_1", identity=identity((1, 0)))
    world.add("ours", "B/happy_1", identity=identity((1, 0)))
    world.add("reference", "B/happy_1", identity=identity(LOST))
    world.add("ours", "C/happy_1", identity=identity((1, 0)))
    world.add("reference", "C/happy_1", identity=identity())
    records = world.clips("f_sim")
    assert records.loc["A/happy_1", ["value", "flags", "frames_used"]].tolist() == [0, "no_face", 0]
    for clip in ("B/happy_1", "C/happy_1"):
        assert records.loc[clip, "status"] == "failed"
        assert "no face in the identity's reference" in records.loc[clip, "reason"]


# Lip reading


def test_what_a_lip_reader_sees_is_compared_frame_by_frame(world):
    """Cosines 0.6 and 1; embeddings of nothing have none."""
    points = moving(frames=3)
    world.add("ours", "S/a", 3, points=points, lip_reader=identity((1, 0), (2, 2), (0, 0)))
    world.add("reference", "S/a", 3, points=points, lip_reader=identity((0.6, 0.8), (1, 1), (1, 0)))
    record = world.clips("lipscore").loc["S/a"]
    assert record["value"] == pytest.approx(0.8)
    assert record[["frames_used", "frames_expected"]].tolist() == [2, 3]


# Keys


def test_another_extractor_than_the_official_one_gives_another_key(tmp_path, monkeypatch):
    world = World(tmp_path, monkeypatch, fallback="corpus")
    world.pair("S/happy_1", emotion=probabilities(happy=1))
    record = world.run("acc_emo").iloc[0]
    assert record[["metric", "metric_name", "backend"]].tolist() == [
        "acc_emo_fb:corpus", "acc_emo", "fallback:corpus",
    ]  # fmt: skip
    assert record["value"] == 100


def test_every_metric_that_asks_a_network_has_a_test_here():
    import inspect
    import sys

    source = inspect.getsource(sys.modules[__name__])
    missing = [m for m in network_metrics() if f'"{m}"' not in source and not m.startswith("e_")]
    assert missing == []
