"""Validation: what its plan asks of each level, and what is said of a metric's response."""

import contextlib
import itertools
import json
import math

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from gmbench.clips import Clip, Pair
from gmbench.commands.app import app
from gmbench.errors import InputError
from gmbench.evaluation import validate
from gmbench.evaluation.planning import plan
from gmbench.evaluation.scoring import registry
from gmbench.media import write_audio
from gmbench.reporting import validation_curves
from tests.evaluation.helpers import protocol

EMOTIONS = ("angry", "happy", "sad")


@pytest.fixture
def ground_truth(tmp_path):
    """A plan of the ground truth of two people with four clips of each of three emotions."""
    pairs = []
    for speaker, emotion, number in itertools.product("AB", EMOTIONS, range(4)):
        name = f"{speaker}/{emotion}{number}"
        folder = tmp_path / name
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "0000.png"), np.full((16, 16, 3), len(pairs), np.uint8))
        sound = folder.with_suffix(".wav")
        write_audio(sound, np.full(640, len(pairs), np.int16))
        pairs.append(Pair(name, None, Clip(name, folder, sound), (), speaker, emotion))
    metrics = registry.select(["psnr", "ba_m2a"], True)
    return plan.make_plan({}, "d", protocol(), metrics, ["ground_truth"], pairs)


def spoilt(ground_truth, name):
    """Clips of a corruption by method and clip."""
    found = validate.corrupted(ground_truth, validate.chosen([name]))
    return {(clip.method, clip.clip): clip for clip in found.clips}


def levels(name):
    return validate.chosen([name])[0].levels[1:]


def test_every_level_has_every_clip_and_the_first_changes_nothing(ground_truth):
    for corruption in validate.CORRUPTIONS:
        found = spoilt(ground_truth, corruption.name)
        assert len(found) == len(corruption.levels) * len(ground_truth.clips)
        for clip in ground_truth.clips:
            unchanged = found[validate.UNCHANGED, clip.clip]
            assert (unchanged.generated, unchanged.emotion) == (clip.generated, clip.emotion)
            assert unchanged.reference == clip.reference


@pytest.mark.parametrize("name", ["blur", "noise", "reencode", "h265", "rate", "shuffle"])
def test_pictures_are_changed_by_the_level(ground_truth, name):
    found = spoilt(ground_truth, name)
    for level in levels(name):
        for clip in ground_truth.clips:
            changed = found[f"{name}={level:g}", clip.clip]
            assert changed.generated.video_change == f"{name}:{level:g}"
            assert changed.generated.audio_change == ""
            assert changed.reference.video_change == ""


def test_late_is_late_and_early_is_early(ground_truth):
    for name, sign in (("late", 1), ("early", -1)):
        found = spoilt(ground_truth, name)
        for level in levels(name):
            changes = {
                clip.generated.audio_change for (method, _), clip in found.items() if method == f"{name}={level}"
            }
            assert changes == {f"late:{sign * level}"}


@pytest.mark.parametrize("name", ["aac", "mp3", "opus"])
def test_sounds_go_through_codecs_and_lower_rates_are_worse(ground_truth, name):
    for (method, _), clip in spoilt(ground_truth, name).items():
        level = method.removeprefix(f"{name}=") if method != validate.UNCHANGED else ""
        assert clip.generated.audio_change == (f"{name}:{level}" if level else "")
        assert clip.generated.video_change == ""
    found = curve(name, (9.0, 8.0, 7.0, 6.0), "sync_c")
    assert (found.rho, found.strict, found.expected) == (pytest.approx(1), True, False)


def test_half_of_the_labels_or_all_are_others(ground_truth):
    found = spoilt(ground_truth, "labels")
    for level, share in ((0.5, 0.5), (1, 1.0)):
        new = [found[f"labels={level:g}", clip.clip].emotion for clip in ground_truth.clips]
        wrong = [a != clip.emotion for a, clip in zip(new, ground_truth.clips, strict=True)]
        assert np.mean(wrong) == share
        for emotion in EMOTIONS:  # each emotion loses its share
            own = [w for w, clip in zip(wrong, ground_truth.clips, strict=True) if clip.emotion == emotion]
            assert np.mean(own) == share
        assert set(new) <= set(EMOTIONS)
        sources = {clip.generated.video_change for (method, _), clip in found.items()}
        assert sources == {""}


def test_swaps_show_another_clip_with_the_own_sound(ground_truth):
    videos = {clip.generated.video: clip for clip in ground_truth.clips}
    for name, same, other in (("emotion_swap", "speaker", "emotion"), ("identity_swap", "emotion", "speaker")):
        for (method, _), clip in spoilt(ground_truth, name).items():
            if method == validate.UNCHANGED:
                continue
            shown = videos[clip.generated.video]
            assert getattr(shown, same) == getattr(clip, same)
            assert getattr(shown, other) != getattr(clip, other)
            assert clip.generated.audio == clip.reference.audio != shown.generated.audio


def curve(name, values, metric="psnr", direction="higher"):
    return validate._curve(metric, direction, validate.chosen([name])[0], tuple(values))


def test_frame_rates_are_worse_the_further_from_the_clips_own():
    """Levels 25, 30, 15, 10, 5: 30 is the mildest change."""
    right = curve("rate", (40.0, 35.0, 30.0, 25.0, 20.0))
    assert (right.rho, right.strict, right.verdict) == (pytest.approx(1), True, "")
    wrong = curve("rate", (40.0, 20.0, 35.0, 30.0, 25.0))
    assert not wrong.strict
    assert "does not get worse with every level of rate" in wrong.verdict


def test_a_target_value_may_be_missed_on_either_side():
    for values in ((0.0, 1.0, 2.0, 5.0, 10.0), (0.0, -1.0, -2.0, -5.0, -10.0), (1.0, 2.0, 3.0, 6.0, 11.0)):
        found = curve("late", values, "av_offset", "reference")
        assert (found.rho, found.strict) == (pytest.approx(1), True)


def test_missing_levels_are_told_and_left_out():
    found = curve("blur", (40.0, float("nan"), 30.0, 20.0))
    assert found.strict
    assert "1 levels of blur have no value" in found.verdict


def test_rounding_errors_are_no_response():
    assert np.isnan(curve("blur", [1.2e-12, 2.3e-13, 8.1e-13, 1.1e-12], direction="lower").rho)
    assert curve("blur", [1.2e-12, 1e-6, 2e-6, 3e-6], direction="lower").rho == pytest.approx(1)
    assert curve("blur", [np.inf, 40.0, 30.0, 20.0]).rho == pytest.approx(1)


def test_clips_for_validation_are_of_each_emotion_alike():
    pairs = [Pair(f"{e}{n:02d}", None, None, (), "S", e) for e, count in (("a", 9), ("b", 3)) for n in range(count)]
    assert [p.clip for p in validate.spread(pairs, 5)] == ["a00", "a04", "a08", "b00", "b02"]
    assert len(validate.spread(pairs, 50)) == 9 + 3
    assert validate.spread([], 5) == []


def test_verdicts():
    assert curve("blur", [30, 20, 10, 5]).verdict == ""
    assert "does not respond" in curve("blur", [30, 30, 30, 30]).verdict
    assert "wrong way" in curve("blur", [5, 10, 20, 30]).verdict
    assert "every level" in curve("blur", [30, 20, 25, 5]).verdict
    assert "could not be computed" in curve("blur", [30, np.nan, np.nan, np.nan]).verdict
    assert curve("late", [0, -1, -2, -5, -10], "av_offset", "reference").strict
    with pytest.raises(InputError, match="did you mean blur"):
        validate.chosen(["blurr"])


def test_all_emotions_come_before_any_comes_twice():
    pairs = [Pair(f"{e}{n}", None, None, (), "S", e) for e in "abc" for n in range(4)]
    assert sorted(p.emotion for p in validate.spread(pairs, 3)) == ["a", "b", "c"]
    assert [p.emotion for p in validate.spread(pairs, 6)] == ["a", "a", "b", "b", "c", "c"]
    assert len(validate.spread(pairs, 12)) == len(validate.spread(pairs, 99)) == 12


def test_only_expected_metrics_are_told_off():
    assert curve("late", [40.0] * 5, "psnr").verdict == ""
    assert not curve("late", [40.0] * 5, "psnr").expected
    found = curve("late", [5.0] * 5, "sync_c_fb:corpus")
    assert (found.expected, found.verdict) == (True, "Sync-C does not respond to late.")
    assert math.isnan(found.rho)
    assert not found.strict


def test_a_response_of_the_wrong_direction_has_a_negative_correlation():
    assert curve("blur", [20.0, 25.0, 30.0, 35.0]).rho == pytest.approx(-1)
    assert curve("blur", [1.0, 2.0, 3.0, 4.0], "lpips_alex", "lower").rho == pytest.approx(1)
    assert curve("blur", [40.0, 20.0, 30.0, 10.0]).rho == pytest.approx(0.8)


def test_a_curve_comes_back_from_json():
    found = curve("blur", [math.inf, 40.0, math.nan, 20.0])
    again = validate.Curve.from_json(json.loads(json.dumps(found.as_json(), allow_nan=False)))
    assert again.values[:2] == found.values[:2]
    assert math.isnan(again.values[2])
    assert (again.levels, again.rho, again.strict, again.verdict) == (
        found.levels, found.rho, found.strict, found.verdict,
    )  # fmt: skip
    flat = curve("blur", [1.0] * 4)
    assert math.isnan(validate.Curve.from_json(json.loads(json.dumps(flat.as_json()))).rho)


def test_worsening_over_some_levels():
    found = curve("late", [5.0, 4.0, 4.5, 3.0, 2.0], "sync_c")
    assert not found.worsens()
    assert found.worsens((0, 1, 5, 10))
    assert not found.worsens((1, 2))
    assert curve("late", [5.0, 4.0, 3.0, 2.0, 1.0], "sync_c_fb:corpus").worsens()
    assert not curve("late", [5.0, 5.0, 3.0, 2.0, 1.0], "sync_c").worsens()


def test_curves_are_made_of_the_rows_of_their_levels(ground_truth, tmp_path):
    from gmbench.evaluation.run import evaluate

    chosen = validate.chosen(["noise", "late"])
    table = evaluate(validate.corrupted(ground_truth, chosen), tmp_path / "store")
    found = {(c.metric, c.corruption): c for c in validate.curves(table, chosen)}
    noise, late = found["psnr", "noise"], found["psnr", "late"]
    assert noise.values[0] == math.inf
    assert noise.values[1] > noise.values[2] > noise.values[3] > 15
    for level, value in zip((5, 10, 20), noise.values[1:], strict=True):
        clips = table[(table["method"] == f"noise={level}") & (table["metric"] == "psnr")]
        assert value == pytest.approx(clips["value"].mean())
    assert (noise.strict, noise.expected, noise.unit) == (True, True, "deviation of 255")
    assert set(late.values) == {math.inf}
    assert not late.expected


def test_the_command_passes_scheduler_and_timeout_on(tmp_path, monkeypatch):
    given = {}

    @contextlib.contextmanager
    def connection(scheduler, timeout):
        given["connection"] = (scheduler, timeout)
        yield

    def run(*arguments, scheduler, **options):
        given["run"] = scheduler
        raise InputError("far enough")

    monkeypatch.setattr("gmbench.executor.connection", connection)
    monkeypatch.setattr(validate, "validate", run)
    (tmp_path / "a.mp4").touch()
    asked = ["--reference", str(tmp_path), "--out", str(tmp_path / "out"), "--scheduler", "tcp://x:1", "--timeout", "3"]
    found = CliRunner().invoke(app, ["validate", *asked])
    assert isinstance(found.exception, InputError)
    assert given == {"connection": ("tcp://x:1", 3.0), "run": "tcp://x:1"}


def test_what_codecs_alone_do_stands_below_the_curves():
    clips = {"sync_c": (5.0, 4.5, 4.0, 2.0), "psnr": (math.inf, 40.0, 35.0, 30.0), "ssim": (1.0, 1.0, 1.0, 1.0)}
    curves = [curve("reencode", values, metric) for metric, values in clips.items()]
    curves += [curve("blur", (5.0, 4.0, 3.0, 2.0), "sync_c")]
    text = validation_curves.markdown(curves)
    assert "| Metric | reencode 28/36/44 |" in text
    assert "| sync\\_c | 10.0 % / 20.0 % / 60.0 % |" in text
    assert "| psnr | 40 / 35 / 30 |" in text
    assert "| ssim | – |" not in text
    assert "codecs" not in validation_curves.markdown(curves[-1:])
