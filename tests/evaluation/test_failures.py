"""What fails costs only itself, and says so: at every step of the engine, in the records, in the log, in the store."""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest

from gmbench.audio import onsets
from gmbench.errors import StoreError, WeightsError
from gmbench.evaluation.extraction import clip_pass, extractors, frame_pass, group_extraction, sound_features
from gmbench.evaluation.extraction.features import ClipFeature, FrameFeature, PairFeature
from gmbench.evaluation.extraction.outcome import Outcome
from gmbench.evaluation.planning import inputs, plan
from gmbench.evaluation.results import aggregate, compared_files, merging, records, result_folder
from gmbench.evaluation.run import evaluate, extract, score
from gmbench.evaluation.scoring.metric import Metric, Score, frame_mean
from gmbench.face import landmarks as face_landmarks
from gmbench.metrics.spec import MetricSpec
from gmbench.reporting import comparisons
from gmbench.store import Store
from tests.evaluation import helpers, killer
from tests.evaluation.fake_extractor import World, features
from tests.face.made_faces import face_points

FAILING = 3
"""Number of the clip that the steps below fail on: the first colour of its pixels."""
FRAMES = {"S/a": 6, "S/b": 7, "S/c": 6}
broken = set()
raised = [RuntimeError]


def fail(step, number):
    if step in broken and int(number) == FAILING:
        raise raised[0](f"injected into {step}")


def mean_of_frame(frame):
    fail("frame feature", frame[0, 0, 0])
    return float(frame.mean())


def mean_difference(generated, reference):
    fail("pair feature", generated[0, 0, 0])
    return float(np.abs(generated.astype(float) - reference).mean())


class Brightness:
    def __init__(self, context):
        fail("begin", FAILING if context.frames == FRAMES["S/b"] else 0)
        self.values = []

    def add(self, index, frame):
        fail("add", frame[0, 0, 0])
        self.values.append(frame.mean())
        self.number = frame[0, 0, 0]

    def finish(self):
        fail("finish", self.number)
        return {"values": np.array(self.values)}


def score_pair(clip):
    fail("scorer", FAILING if clip.clip == "S/b" else 0)
    return frame_mean(clip.pair(PAIR), "none")


def spec(name, *needs):
    return MetricSpec(name, name, 1, "higher", "", "", needs, "", "", "", "")


FRAME = FrameFeature("test_frame", 1, mean_of_frame)
PAIR = PairFeature("test_pair", 1, mean_difference)
METRICS = [
    Metric(spec("frame"), lambda clip: frame_mean(clip.generated.per_frame(FRAME), "none"), (FRAME,)),
    Metric(spec("pair", "reference"), score_pair, (), (PAIR,)),
    Metric(
        spec("clip"),
        lambda clip: Score(float(clip.generated.extracted("brightness")["values"].mean()), 6, 6),
        extractors=("brightness",),
    ),
    Metric(spec("sound", "audio"), lambda clip: Score(float(clip.generated.rms.mean()), 6, 6)),
    Metric(spec("landmarks", "landmarks"), lambda clip: Score(float(np.mean(clip.generated.landmarks)), 6, 6)),
]


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """Three clips with sound and landmarks, and five metrics that read every kind of feature."""
    world = World(tmp_path, monkeypatch)
    for number, (clip, frames) in enumerate(FRAMES.items()):
        points = np.repeat(face_points(60 + number, 60)[None], frames, axis=0)
        sound = np.full(frames * 640, 100 * (2 * number + 1), np.int16)  # as 100 times the number of the clip
        world.add("ours", clip, frames, sound=sound, points=points)
        world.add("reference", clip, frames, sound=sound, points=points)
    monkeypatch.setattr(extractors, "extractor", lambda name, protocol: ClipFeature("brightness", 1, Brightness))
    monkeypatch.setattr("tests.evaluation.test_failures.broken", set())
    given = inputs.gather([str(tmp_path / "ours")], reference=tmp_path / "reference")
    return plan.make_plan(given.methods, "d", helpers.protocol(), METRICS)


def break_path(monkeypatch, module, name, step):
    original = getattr(module, name)

    def failing(first, *arguments):
        path = getattr(first, "path", first)
        if step in broken and "ours/S/b" in str(path):
            raise RuntimeError(f"injected into {step}")
        return original(first, *arguments)

    monkeypatch.setattr(module, name, failing)


EVERY_PIXEL = {"frame", "pair", "landmarks"}


@pytest.mark.parametrize(
    ("step", "lost"),
    [
        ("frame feature", {"frame"}), ("pair feature", {"pair"}), ("begin", {"clip"}), ("add", {"clip"}),
        ("finish", {"clip"}), ("scorer", {"pair"}), ("open", {*EVERY_PIXEL, "clip"}), ("second open", {"clip"}),
        ("sound", {"sound"}), ("onsets", {"sound"}), ("landmarks", {"landmarks"}), ("detector's end", set()),
    ],
)  # fmt: skip
def test_an_unexpected_error_costs_only_what_it_concerns(planned, tmp_path, monkeypatch, step, lost):
    clean = evaluate(planned, tmp_path / "clean").set_index(["clip", "metric"])
    assert set(clean["status"]) == {"ok"}
    break_path(monkeypatch, frame_pass, "Video", "open")
    break_path(monkeypatch, clip_pass, "Video", "second open")
    break_path(monkeypatch, sound_features, "read_audio", "sound")
    envelope = onsets.onset_envelope
    monkeypatch.setattr(onsets, "onset_envelope", lambda audio: (fail("onsets", audio[0] // 100), envelope(audio))[1])
    track = face_landmarks.LandmarkTrack.add
    monkeypatch.setattr(
        face_landmarks.LandmarkTrack, "add",
        lambda self, frame: (fail("landmarks", frame[0, 0, 0]), track(self, frame))[1],
    )  # fmt: skip
    close = frame_pass.FramePass.close
    monkeypatch.setattr(frame_pass.FramePass, "close", lambda self: (self._detector.callback(end_badly), close(self)))
    broken.add(step)
    log = tmp_path / "errors.log"
    found = evaluate(planned, tmp_path / "store", error_log=log).set_index(["clip", "metric"])
    bad = found[found["status"] != "ok"]
    assert {metric for _, metric in bad.index} == lost
    assert len(bad) == len(lost)
    assert bad["reason"].str.contains("RuntimeError: injected").all()
    assert "Traceback (most recent call last)" in log.read_text()
    assert "injected into" in log.read_text()
    rest = found.index.difference(bad.index)
    pd.testing.assert_series_equal(found.loc[rest, "value"], clean.loc[rest, "value"])


EVERYTHING = {"frame", "pair", "clip", "sound", "landmarks"}


@pytest.mark.parametrize(
    ("place", "name", "lost"),
    [
        (frame_pass, "corrupted_frames", EVERY_PIXEL | {"clip"}), (clip_pass, "corrupted_frames", {"clip"}),
        (frame_pass, "FramePass", EVERYTHING - {"sound"}),
        (group_extraction, "_missing_pairs", EVERYTHING - {"sound"}),
        (group_extraction, "extract_sound_features", EVERYTHING),
        (group_extraction, "extract_clip_features", {"clip"}), (frame_pass, "_facts", EVERY_PIXEL | {"clip"}),
        (face_landmarks, "followed", {"landmarks"}), (clip_pass, "_context", {"clip"}),
    ],
)  # fmt: skip
def test_whatever_breaks_down_in_between_costs_its_clip_alone(planned, tmp_path, monkeypatch, place, name, lost):
    clean = evaluate(planned, tmp_path / "clean").set_index(["clip", "metric"])
    place = group_extraction if name == "FramePass" else place
    current = []
    take = frame_pass.FramePass.finish
    monkeypatch.setattr(
        frame_pass.FramePass, "finish", lambda self: (current.append(str(self.source.video)), take(self))[1]
    )
    function = getattr(place, name)

    def failing(*arguments, **options):
        about = f"{current[-1:]} {[getattr(a, 'video', getattr(a, 'path', a)) for a in arguments]}"
        if "ours/S/b" in about and (name in ("followed", "_facts") or "ours/S/b" in about.partition("]")[2]):
            raise RuntimeError("injected")
        return function(*arguments, **options)

    monkeypatch.setattr(place, name, failing)
    found = evaluate(planned, tmp_path / "store", error_log=tmp_path / "errors.log").set_index(["clip", "metric"])
    bad = found[found["status"] != "ok"]
    assert set(bad.index) == {("S/b", metric) for metric in lost}
    assert bad["reason"].str.contains("RuntimeError: injected").all()
    assert "injected" in (tmp_path / "errors.log").read_text()
    rest = found.index.difference(bad.index)
    pd.testing.assert_series_equal(found.loc[rest, "value"], clean.loc[rest, "value"])


@pytest.mark.parametrize("kind", [SystemExit, MemoryError, WeightsError, StoreError, KeyError, RecursionError])
@pytest.mark.parametrize("step", ["frame feature", "pair feature", "scorer"])
def test_no_kind_of_error_of_a_metric_ends_the_run(planned, tmp_path, monkeypatch, kind, step):
    monkeypatch.setattr("tests.evaluation.test_failures.raised", [kind])
    broken.add(step)
    found = evaluate(planned, tmp_path / "store")
    bad = found[found["status"] != "ok"]
    assert bad["metric"].tolist() == ["frame" if step == "frame feature" else "pair"]
    assert bad["reason"].str.contains("injected into").all()


def test_an_interrupt_ends_the_run(planned, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.evaluation.test_failures.raised", [KeyboardInterrupt])
    broken.add("frame feature")
    with pytest.raises(KeyboardInterrupt):
        evaluate(planned, tmp_path / "store")


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "other arrays"])
def test_damaged_files_of_the_store_are_made_again_or_cost_their_metric(planned, tmp_path, damage):
    clean = evaluate(planned, tmp_path / "store").set_index(["clip", "metric"])
    store = Store(tmp_path / "store")
    for path in sorted(store.root.rglob("*.safetensors")):
        whole = path.read_bytes()
        if damage == "other arrays":
            store.put(path.parent.name + path.stem, {"unknown": np.zeros(3)})
        else:
            path.write_bytes({"empty": b"", "cut": whole[:-7], "text": b"text"}[damage])
        found = evaluate(planned, tmp_path / "store").set_index(["clip", "metric"])
        bad = found[found["status"] != "ok"]
        if damage == "other arrays":
            assert len({clip for clip, _ in bad.index}) <= 1
            path.write_bytes(whole)
        else:
            assert bad.empty
        rest = found.index.difference(bad.index)
        pd.testing.assert_series_equal(found.loc[rest, "value"], clean.loc[rest, "value"])


@pytest.mark.parametrize("answer", [3.0, None, Score(1.0, 1, 1, "flag"), Score(1.0, 1, 1, None), Score("x", 1, 1)])
def test_an_answer_that_is_no_score_is_a_failed_record(planned, tmp_path, answer):
    odd = Metric(spec("odd"), lambda clip: answer if clip.clip == "S/b" else Score(1.0, 1, 1))
    found = evaluate(dataclasses.replace(planned, metrics=(odd, *METRICS)), tmp_path / "store")
    bad = found[found["status"] != "ok"]
    assert bad[["clip", "metric"]].to_numpy().tolist() == [["S/b", "odd"]]
    records.write(tmp_path / records.FILE, found)


def test_numbers_of_other_types_are_kept_as_plain_ones(planned, tmp_path):
    odd = Metric(spec("odd"), lambda clip: Score(np.float32(0.5), np.int32(1), 2.0, ["a", "a"]))
    found = evaluate(dataclasses.replace(planned, metrics=(odd,)), tmp_path / "store")
    records.write(tmp_path / records.FILE, found)
    assert found[["value", "frames_used", "frames_expected", "flags"]].to_numpy().tolist() == [[0.5, 1, 2, "a"]] * 3


def end_badly():
    if "detector's end" in broken:
        raise RuntimeError("injected into detector's end")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_tracebacks_survive_workers_and_a_clean_run_removes_the_log(sketches, tmp_path, workers):
    for clip in ("000", "001"):
        (tmp_path / "ours").mkdir(exist_ok=True)
        shutil.copy(sketches / "near" / "S000" / f"{clip}.mp4", tmp_path / "ours")
    given = inputs.gather([str(tmp_path / "ours")])
    log = tmp_path / "errors.log"
    table = evaluate(
        plan.make_plan(given.methods, "x", helpers.protocol(), [killer.RAISING]), tmp_path / "store", workers,
        error_log=log,
    )  # fmt: skip
    assert set(table["status"]) == {"failed"}
    assert table["reason"].str.contains("raising: ZeroDivisionError").all()
    assert "in raising" in log.read_text()
    assert "000.mp4" in log.read_text()
    assert "001.mp4" in log.read_text()
    evaluate(
        plan.make_plan(given.methods, "x", helpers.protocol(), [killer.HARMLESS]), tmp_path / "store", error_log=log
    )
    assert not log.exists()


def test_scoring_an_emptied_store_is_refused(planned, tmp_path):
    outcome = extract(planned, tmp_path / "store")
    assert set(score(planned, Store(tmp_path / "store"), outcome)["status"]) == {"ok"}
    with pytest.raises(StoreError, match=r"3 of 3 clips.*stage 'extract'.*max_missing"):
        score(planned, Store(tmp_path / "empty"), Outcome("d"))
    for clip in planned.clips[:1]:
        Store(tmp_path / "store").path(planned.keys.frame(FRAME, clip.generated)).unlink()
    with pytest.raises(StoreError, match=r"1 of 3 clips for metric (frame|pair)"):
        score(planned, Store(tmp_path / "store"), outcome)
    table = score(planned, Store(tmp_path / "store"), outcome, max_missing=0.34)
    assert (table["reason"] == "not extracted").sum() >= 1


def test_features_that_failed_are_not_missing(planned, tmp_path):
    broken.add("add")
    outcome = extract(planned, tmp_path / "store")
    table = score(planned, Store(tmp_path / "store"), outcome)
    assert (table["status"] == "failed").sum() == 1


def test_a_set_level_metric_notices_an_emptied_store_too(tmp_path, monkeypatch):
    world = World(tmp_path, monkeypatch)
    for clip in ("S/a", "S/b"):
        world.add("ours", clip, fid=features(1.0, 2.0))
        world.add("reference", clip, fid=features(1.0, 3.0))
    planned = world.plan(["fid"])
    outcome = extract(planned, tmp_path / "store")
    assert score(planned, Store(tmp_path / "store"), outcome)["status"].tolist() == ["ok"]
    with pytest.raises(StoreError, match="2 of 2 clips for metric fid"):
        score(planned, Store(tmp_path / "empty"), Outcome("d"))


def table_of(*clips, value=1.0, **changes):
    fields = {
        "method": "ours", "dataset": "d", "metric": "psnr", "metric_name": "psnr", "protocol": "full",
        "protocol_hash": "h", "backend": "official", "weights_sha256": "", "metric_version": 1, "clips_used": 1,
    } | changes  # fmt: skip
    return records.frame([records.Record(clip=clip, value=value, **fields) for clip in clips])


def test_clips_that_are_not_evaluated_again_stay_and_a_warning_counts_them(tmp_path):
    records.write(tmp_path / records.FILE, table_of("a", "b", "c", "*"))
    again = table_of("b", value=2.0)
    assert "2 clips evaluated earlier" in result_folder.merge_warnings(tmp_path, again)[0]
    merged, _ = result_folder.save(tmp_path, again, {})
    assert dict(zip(merged["clip"], merged["value"], strict=True)) == {"a": 1.0, "b": 2.0, "c": 1.0, "*": 1.0}
    assert "2 clips evaluated earlier" in result_folder.warnings(tmp_path)[0]
    assert result_folder.merge_warnings(tmp_path, table_of("a", "b", "c")) == []
    assert result_folder.merge_warnings(tmp_path, table_of("b", metric="ssim", metric_name="ssim")) == []


@pytest.mark.parametrize("change", [{"metric_version": 2}, {"weights_sha256": "x"}, {"backend": "fallback:y"}])
def test_earlier_clips_that_would_mix_in_one_column_go(change):
    merged = merging.merge(table_of("a", "b"), table_of("b", **change))
    assert merged["clip"].tolist() == ["b"]
    records.check_columns(merged)


def test_the_files_of_earlier_clips_stay_too(tmp_path):
    def of(*clips, video):
        rows = [("d", "ours", clip, "", "", video, "", "") for clip in clips]
        return pd.DataFrame(rows, columns=list(compared_files.COLUMNS))

    compared_files.save(tmp_path, of("a", "b", video="old.mp4"))
    compared_files.save(tmp_path, of("b", video="new.mp4"))
    table = compared_files.read(tmp_path)
    assert dict(zip(table["clip"], table["video"], strict=True)) == {"a": "old.mp4", "b": "new.mp4"}


def test_a_metric_without_its_package_is_flagged_and_has_no_better_side(caplog):
    known = {"metric": "gone", "metric_name": "gone"}
    table = records.concatenate(
        [table_of("a", "b", "c", **known), table_of("a", "b", "c", value=9.0, **(known | {"method": "theirs"}))]
    )
    row = aggregate.rows(table)[0]
    assert row.flags.split() == ["unknown_metric"]
    assert row.direction == "none"
    assert "gone" in caplog.text
    assert comparisons.compare(table, "ours", "theirs")[0].better == ""
    assert "unknown_metric" not in aggregate.rows(table_of("a"))[0].flags
