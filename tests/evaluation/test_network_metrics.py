"""Metrics that ask a network, through the engine, with random weights in the published files' layout."""

import dataclasses

import numpy as np
import pytest

from gmbench import emotions
from gmbench.devices.asking import Given
from gmbench.errors import InputError, MediaError, WeightsError
from gmbench.evaluation.extraction import frame_pass, group_extraction, network_crops
from gmbench.evaluation.extraction.accumulators import (
    FrameAccumulator,
    LipSyncAccumulator,
    eat_sync_matrices,
    in_suite_order,
    interpolate_missing,
    spaced,
)
from gmbench.evaluation.extraction.features import ClipContext
from gmbench.evaluation.planning import inputs, plan
from gmbench.evaluation.results import aggregate
from gmbench.evaluation.run import evaluate
from gmbench.evaluation.scoring import registry
from gmbench.metrics.emotion import SUITE_ORDER
from gmbench.store import Store
from tests.evaluation.helpers import protocol

ALL = [
    "lpips_alex", "fid", "fid_eat", "sync_c", "sync_d", "av_offset", "sync_c_gap", "sync_corr", "acc_emo",
    "acc_emo_macro", "emo_prob", "emo_score", "emo_neutral", "emo_nonneutral", "emo_acc4", "f_sim", "div", "fvd",
    "lipscore", "lpips_dtw",
]  # fmt: skip


def planned(heads, metrics, controls=("ground_truth",), **changes):
    given = inputs.gather([f"near={heads / 'near'}"], reference=heads / "reference", labels=heads / "labels.csv")
    chosen = registry.select(metrics, has_reference=True)
    return plan.make_plan(given.methods, "heads", protocol(**changes), chosen, controls, given.references)


@pytest.mark.slow
def test_every_official_extractor_runs_end_to_end(heads, files, tmp_path):
    options = {"fid_frames": 2, "pose": "tokenhpe"}
    table = evaluate(planned(heads, ALL, **options), tmp_path / "store")
    near = table[table["method"] == "near"].set_index("metric_name")
    assert set(near[near["status"] != "ok"].index) == {"fvd"}
    assert set(table["metric_name"]) == set(ALL)
    assert (near.loc["fvd", "status"], near.loc["fvd", "clips_expected"]) == ("undefined", 2)
    assert "at least 64" in near.loc["fvd", "reason"]
    assert near.loc["fid", "flags"] == "fid_small_n"
    assert near.loc["fid", "frames_used"] == 4
    assert near.loc["fid", "backend"] == "official"
    assert len(near.loc["fid", "weights_sha256"]) == 64
    truth = table[table["method"] == "ground_truth"].set_index("metric_name")
    assert truth.loc["fid", "value"] == pytest.approx(0, abs=1e-6)
    assert (truth.loc[["lpips_alex", "lpips_dtw", "sync_c_gap"], "value"] == 0).all()
    assert (near.loc["lpips_alex", "value"] > 0).all()
    assert (near.loc["lpips_dtw", "value"].to_numpy() <= near.loc["lpips_alex", "value"].to_numpy() + 1e-9).all()
    assert truth.loc["lipscore", "value"].to_numpy() == pytest.approx([1.0, 1.0])
    assert (near.loc["lipscore", "value"] < 1).all()
    assert near.loc["fid", "value"] > 1e-3
    assert set(truth.loc["div", "metric"]) == {"div"}
    seen = near.loc[["acc_emo", "emo_prob", "f_sim"]]
    assert (seen["frames_used"] == 20).all()
    assert (seen["frames_expected"] == 20).all()
    keys = set(table["metric"])
    assert {"fid", "lpips_alex", "div", "acc_emo_fb:sketch", "sync_c_fb:sketch", "f_sim_fb:sketch"} <= keys
    rows = {(row.method, row.metric): row for row in aggregate.rows(table)}
    assert rows["near", "fid"].n == rows["near", "fid"].expected == 2
    means = near["value"].groupby(level=0).mean()
    for name in ("acc_emo", "emo_prob", "f_sim", "sync_c", "sync_d"):
        assert rows["near", f"{name}_fb:sketch"].value == pytest.approx(means[name])
    score = rows["near", "emo_score_fb:sketch"]  # only two of its four emotions are here
    assert np.isnan(score.value)
    assert "classes_missing" in score.flags
    assert np.isfinite(rows["near", "emo_neutral_fb:sketch"].value)
    again = evaluate(planned(heads, ALL, **options), tmp_path / "other", workers=2)
    assert table.equals(again)


@pytest.mark.slow
def test_s3fd_crop_says_why_there_is_none(heads, files, tmp_path, monkeypatch):
    monkeypatch.setattr("gmbench.extractors.s3fd.best_boxes", lambda *given: np.empty((0, 5)))
    table = evaluate(planned(heads, ["sync_c"], sync_crop="s3fd"), tmp_path)
    assert set(table["metric"]) == {"sync_c"}
    assert set(table["backend"]) == {"official"}
    assert set(table["status"]) == {"failed"}
    assert table["reason"].str.contains("no face track").all()


@pytest.mark.parametrize("changes", [{"sync_crop": "eat"}, {"fan_released": False}])
def test_options_are_part_of_the_key(heads, files, tmp_path, changes):
    metric = "sync_c" if "sync_crop" in changes else "emo_prob"
    first, second = planned(heads, [metric]), planned(heads, [metric], **changes)
    source = first.clips[0].generated
    keys = [p.keys.clip(p.metrics[0].clips(p.protocol)[0], source) for p in (first, second)]
    assert keys[0] != keys[1]
    assert first.protocol.hash != second.protocol.hash


def test_a_clip_is_decoded_once_for_all_its_extractors(heads, files, tmp_path, monkeypatch):
    opened = []
    original = frame_pass.Video.__init__
    monkeypatch.setattr(
        frame_pass.Video, "__init__", lambda self, path: opened.append(str(path)) or original(self, path)
    )
    store = tmp_path / "store"
    given = planned(heads, ["emo_prob", "f_sim", "sync_c", "psnr"], controls=())
    evaluate(given, store)
    videos = {str(c.generated.video) for c in given.clips} | {str(c.reference.video) for c in given.clips}
    assert max(opened.count(path) for path in videos) == 2  # pixels and landmarks, then the networks
    opened.clear()
    evaluate(planned(heads, ["emo_prob", "acc_emo", "f_sim", "sync_c", "sync_d"], controls=()), store)
    assert opened == []


def test_missing_files_leave_metrics_out_or_are_named(heads, tmp_path, monkeypatch):
    monkeypatch.setenv("GMBENCH_WEIGHTS", str(tmp_path))
    given = inputs.gather([f"near={heads / 'near'}"], reference=heads / "reference")
    every = registry.select(None, True)
    left = plan.make_plan(given.methods, "heads", protocol(), every, explicit=False)
    names = {metric.name for metric in left.metrics}
    assert "psnr" in names
    assert not names & {"fid", "sync_c", "acc_emo", "lpips_alex", "f_sim"}
    text = "\n".join(left.warnings)
    assert "sync_c, sync_d, av_offset" in text
    assert "(syncnet_v2.model)" in text
    assert len(left.warnings) == 1
    with pytest.raises(WeightsError, match=r"syncnet_v2\.model"):
        plan.make_plan(given.methods, "heads", protocol(), registry.select(["sync_c"], True))
    with pytest.raises(InputError, match="no network trained on the corpus stands for fid_eat"):
        plan.make_plan(given.methods, "heads", protocol(extractors="corpus"), registry.select(["fid_eat"], True))


def test_without_a_label_the_emotion_is_undefined(heads, files, tmp_path):
    given = inputs.gather([f"near={heads / 'near'}"], reference=heads / "reference")
    chosen = registry.select(["acc_emo"], True)
    table = evaluate(plan.make_plan(given.methods, "heads", protocol(), chosen), tmp_path)
    assert set(table["status"]) == {"undefined"}
    assert table["reason"].str.contains("--labels").all()


def test_frame_by_frame_shares_repeats_and_leaves_gaps():
    seen = []

    def network(batch):
        seen.append(len(batch))
        return Given(batch.reshape(len(batch), -1)[:, :2].astype(float))

    frames = [np.full((4, 4, 3), value, np.uint8) for value in (1, 1, 2, 3, 4, 4)]
    collector = FrameAccumulator(
        network, lambda i, f: None if i == 3 else f, np.array([0, 1, 2, 3, 5]), 2, lambda x: {"features": x}
    )
    for index, frame in enumerate(frames):
        collector.add(index, frame)
    found = collector.finish()["features"]
    np.testing.assert_array_equal(found[:, 0], [1, 1, 2, np.nan, 4])
    assert seen == [2, 1]


def test_spacing_and_filling():
    np.testing.assert_array_equal(spaced(5, 0), range(5))
    np.testing.assert_array_equal(spaced(11, 3), [0, 5, 10])
    series = np.array([[np.nan], [1.0], [np.nan], [3.0], [np.nan]])
    np.testing.assert_array_equal(interpolate_missing(series)[:, 0], [1, 1, 2, 3, 3])


def test_eat_alignment_holds_the_mouth_still():
    rng = np.random.default_rng(1)
    face = rng.uniform(20, 80, (68, 2))
    walk = face + np.cumsum(rng.normal(0, 1, (40, 1, 2)), axis=0)
    matrices = eat_sync_matrices(walk)
    mouths = [m[:, :2] @ w[60:68].mean(axis=0) + m[:, 2] for m, w in zip(matrices, walk, strict=True)]
    assert np.abs(np.array(mouths) - [112, 120]).mean() < np.ptp(walk[:, 0], axis=0).max() / 4
    np.testing.assert_allclose(mouths[0], [112, 120], atol=1e-9)


def boxes(*rows):
    return [np.array(r, float).reshape(-1, 4) for r in rows]


def test_the_longest_track_wins_and_bridges_gaps():
    face, other = [10, 10, 50, 50], [60, 60, 90, 90]
    found = boxes(*[[face] if t not in (4, 5) else [] for t in range(20)])
    found[3] = np.array([face, other], float)
    track = network_crops.longest_track(found, [])
    assert np.isnan(track[[4, 5]]).all()
    np.testing.assert_array_equal(track[19], face)
    with pytest.raises(Exception, match="no face track of 16 frames"):
        network_crops.longest_track(found, [10])
    with pytest.raises(Exception, match="no face track"):
        network_crops.longest_track(boxes(*[[]] * 20), [])


def test_emotions_by_any_name():
    assert [emotions.canonical(n) for n in ("Anger", "surprise", "fea", "happy", "calm")] == [
        "angry", "surprised", "fear", "happy", "",
    ]  # fmt: skip
    assert emotions.in_name("M003/video/front/angry/level_3/001") == "angry"
    assert emotions.in_name("happy_to_sad") == ""
    found = in_suite_order(np.array([0.7, 0.3]), ("sad", "angry"))
    assert found[SUITE_ORDER.index("sad")] == 0.7
    assert found.sum() == 1


def test_a_failing_extractor_does_not_take_the_others_down(heads, files, tmp_path):
    given = planned(heads, ["emo_prob", "f_sim"], controls=())
    broken = dataclasses.replace(given.metrics[0].clips(given.protocol)[0], name="broken", begin=_broken)
    groups = [dataclasses.replace(g, clip_features=(broken, *g.clip_features)) for g in given.groups(tmp_path, 16)]
    outcome = group_extraction.extract_group(groups[0])
    key = given.keys.clip(broken, groups[0].candidates[0])
    assert "ZeroDivisionError" in outcome.failures[key]
    assert all(Store(tmp_path).has(given.keys.clip(f, groups[0].candidates[0])) for f in groups[0].clip_features[1:])


def _broken(context):
    raise ZeroDivisionError("no extractor")


@pytest.mark.slow
def test_lower_precision_is_another_protocol_and_nearly_the_same(heads, files, tmp_path):
    names = ["lpips_alex", "sync_d", "emo_prob"]
    exact = evaluate(planned(heads, names, controls=()), tmp_path)
    fast = evaluate(planned(heads, names, controls=(), precision="bfloat16"), tmp_path)
    assert set(fast["protocol_hash"]).isdisjoint(exact["protocol_hash"])
    both = exact.merge(fast, on=["method", "clip", "metric_name"])
    assert (both["status_x"] == "ok").all()
    assert (both["status_y"] == "ok").all()
    assert (both["value_x"] != both["value_y"]).any()
    seen = both["metric_name"] == "emo_prob"  # of random networks next to 0: what they say before the softmax counts
    logits = np.log(both[seen][["value_x", "value_y"]])
    np.testing.assert_allclose(logits["value_x"], logits["value_y"], rtol=0.01)
    np.testing.assert_allclose(both[~seen]["value_x"], both[~seen]["value_y"], rtol=0.1)


def test_wrong_emotion_shows_the_speaker_in_another_emotion(heads, tmp_path):
    same = tmp_path / "same.csv"
    same.write_text("clip,speaker,emotion\nS000/000,A,neutral\nS001/000,A,angry\n")
    chosen, controls = registry.select(["psnr"], True), ["ground_truth", "wrong_emotion"]

    def made(labels):
        given = inputs.gather([], reference=heads / "reference", labels=labels)
        return plan.make_plan({}, "d", protocol(), chosen, controls, given.references)

    clips = [clip for clip in made(same).clips if clip.method == "wrong_emotion"]
    assert [clip.generated.video for clip in clips] == [clip.reference.video for clip in reversed(clips)]
    other = made(heads / "labels.csv")  # two speakers with one emotion each
    assert {clip.method for clip in other.clips} == {"ground_truth"}
    assert "wrong_emotion left out" in other.warnings[0]


def test_an_extractor_passes_on_why_there_is_no_sound_or_no_face():
    context = ClipContext(50, 96, 96, None, None, {}, "a.npz: no points", "a.wav: damaged")
    with pytest.raises(MediaError, match=r"a\.wav: damaged"):
        LipSyncAccumulator(context, None, None, None)
    with pytest.raises(MediaError, match=r"a\.npz: no points"):
        network_crops.known_landmarks(context)
