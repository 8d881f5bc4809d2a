"""What stays in memory and in the store does not grow with more than the clips."""

import random
import tracemalloc
from pathlib import Path

import pandas as pd

from gmbench import media
from gmbench.evaluation.extraction.features import ClipSource
from gmbench.evaluation.planning import controls
from gmbench.evaluation.planning.inputs import gather
from gmbench.evaluation.planning.planned_clip import Hasher, PlannedClip, planned_clip
from gmbench.evaluation.results import records
from gmbench.evaluation.results.merging import merge
from gmbench.evaluation.results.records import Record
from gmbench.evaluation.scoring.clip_data import FeatureReader
from gmbench.reporting.saved_results import save_results
from tests.evaluation.helpers import run


def test_features_of_one_clip_are_in_memory_at_a_time_and_one_file_per_clip_in_the_store(
    sketches, tmp_path, monkeypatch
):
    held = []
    forget = FeatureReader.forget

    def counted(self):
        held.append(len(self._cache))
        forget(self)

    monkeypatch.setattr(FeatureReader, "forget", counted)
    table = run(sketches, tmp_path)
    clips = table["clip"].nunique()
    assert held == [3] * clips  # two methods and the reference
    assert len(list(tmp_path.rglob("*.safetensors"))) == 3 * clips


def _neighbours(clips, clip, fits):
    """The first later clip that fits, else the first of all."""
    found = [other for other in clips if fits(other)]
    return next((c.reference for c in found if c.clip > clip.clip), found[0].reference if found else None)


def test_neighbours_for_controls_are_those_of_a_search_through_all_clips():
    generator = random.Random(0)
    for _ in range(300):
        clips = []
        for n in range(generator.randint(1, 8)):
            sound = generator.choice([None, "x", "y", "z"])
            source = ClipSource(Path(f"{n}"), str(n), sound and Path(sound), sound or "")
            speaker, emotion = generator.choice("ab"), generator.choice(["", "happy", "sad"])
            clips.append(PlannedClip("", str(n), speaker, emotion, source, source))
        found = controls._other_sounds(clips)
        for clip in clips:
            other = _neighbours(clips, clip, lambda c: c.reference.audio and c.reference.sound != clip.reference.sound)  # noqa: B023
            assert found.get(clip.clip) == other
        spoken = [clip for clip in clips if clip.emotion and clip.speaker == "a"]
        moods = controls._next_of_another_kind(spoken, lambda clip: clip.emotion)
        for clip in spoken:
            assert moods.get(clip.clip) == _neighbours(spoken, clip, lambda c: c.emotion != clip.emotion)  # noqa: B023


def test_a_table_of_records_is_sorted_shares_texts_and_is_read_back_as_it_was_written(tmp_path):
    def record(clip, method, value):
        about = {"dataset": "d", "protocol": "full", "protocol_hash": "0", "backend": "official", "weights_sha256": ""}
        sha = "".join(["0"] * 64)  # another object each time
        return Record(
            method=method, clip=clip, value=value, metric="psnr", metric_name="psnr", metric_version=1,
            generated_sha256=sha, **about,
        )  # fmt: skip

    made = [record("b", "n", 1.5), record("a", "n", float("nan")), record("*", "m", float("inf"))]
    table = records.frame(iter(made))
    assert list(zip(table["method"], table["clip"], strict=True)) == [("m", "*"), ("n", "a"), ("n", "b")]
    assert len({id(text) for text in table["generated_sha256"]}) == 1
    records.write(tmp_path / "a", table)
    read = records.read(tmp_path / "a")
    pd.testing.assert_frame_equal(read, table)
    records.write(tmp_path / "b", read)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert records.frame([]).columns.tolist() == table.columns.tolist()


def test_groups_are_those_of_pandas_and_all_records_are_not_copied():
    table = pd.DataFrame({"dataset": list("baab"), "metric": list("yxyx"), "value": [1.0, 2.0, 3.0, 4.0]})
    made = list(records.groups(table, ["dataset", "metric"]))
    expected = list(table.groupby(["dataset", "metric"], sort=True))
    assert [key for key, _ in made] == [key for key, _ in expected]
    for (_, group), (_, same) in zip(made, expected, strict=True):
        pd.testing.assert_frame_equal(group, same)
    ((key, whole),) = records.groups(table.assign(dataset="d"), ["dataset"])
    assert key == ("d",)
    assert whole["value"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert records.where(table, table["value"] > 0) is table
    assert records.where(table, table["value"] > 2)["value"].tolist() == [3.0, 4.0]
    assert not list(records.groups(table.iloc[:0], ["dataset"]))


def test_distinct_rows_are_those_of_pandas_across_pieces(monkeypatch):
    monkeypatch.setattr(records, "_PIECE", 3)
    table = pd.DataFrame({"a": list("xyxyxzzx"), "b": list("11121111"), "c": range(8)})
    pd.testing.assert_frame_equal(records.distinct(table, ["a", "b"]), table[["a", "b"]].drop_duplicates())
    assert records.distinct(table.iloc[:0], ["a"]).empty


def test_a_file_of_several_row_groups_is_read_back_as_it_was_written(tmp_path, monkeypatch):
    table = _records(5)
    records.write(tmp_path / "whole", table)
    monkeypatch.setattr(records, "_ROW_GROUP", 7)
    records.write(tmp_path / "parts", table)
    pd.testing.assert_frame_equal(records.read(tmp_path / "parts"), table)
    pd.testing.assert_frame_equal(records.read(tmp_path / "whole"), table)


def _records(clips):
    about = {"dataset": "d", "protocol": "full", "protocol_hash": "0", "backend": "official", "weights_sha256": ""}
    names = ("psnr", "ssim", "cpbd", "div", "sync_c", "m_lmd", "f_lmd", "f_sim")
    return records.frame(
        Record(
            method=method, clip=f"{n:04d}", value=float(n % 7), metric=name, metric_name=name, metric_version=1,
            generated_sha256=f"{method}{n:064d}", reference_sha256=f"{n:064d}", **about,
        )
        for n in range(clips) for method in ("a", "b") for name in names
    )  # fmt: skip


def _peak(call):
    """Bytes that a call takes at most."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_saving_takes_little_more_than_half_the_memory_of_the_records(tmp_path):
    """A copy of the whole table on the way would double what is in memory."""
    table = _records(1500)
    size = len(table) * len(table.columns) * 8
    save_results(tmp_path / "warm", table[table["clip"].isin([f"{n:04d}" for n in range(10)])], {}, None)
    peak = _peak(lambda: save_results(tmp_path / "out", table, {}, None))
    assert peak < 0.6 * size


def test_records_in_canonical_order_are_not_copied_where_they_replace_all_earlier_ones():
    table, earlier = _records(500), _records(500)
    assert _peak(lambda: merge(earlier, table)) < 0.5 * len(table) * len(table.columns) * 8
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(records.concatenate([shuffled]), table)


def _kept(call):
    """Bytes that are in memory after a call, and at most during it."""
    tracemalloc.start()
    try:
        made = call()
        return tracemalloc.get_traced_memory(), made
    finally:
        tracemalloc.stop()


def test_a_record_takes_120_bytes_and_230_while_records_are_gathered():
    """3 KB of a pair with 26 records; as objects the texts alone would be 144 bytes of each."""
    _records(10)
    (kept, peak), table = _kept(lambda: _records(600))
    assert kept < 120 * len(table)
    assert peak < 230 * len(table)


def test_a_planned_pair_and_its_reference_take_4_kilobytes(tmp_path, monkeypatch):
    """Clips with landmarks beside them, in two folders; videos are not opened."""
    monkeypatch.setattr(media, "check_file", lambda path: None)
    pairs = 400
    for folder in ("ours", "real"):
        (tmp_path / folder).mkdir()
        for n in range(pairs):
            (tmp_path / folder / f"{n:06d}.mp4").write_text(f"{folder}{n}")
            (tmp_path / folder / f"{n:06d}.landmarks.npz").write_text(f"{n}")

    def plan():
        given = gather([str(tmp_path / "ours")], reference=tmp_path / "real")
        hasher = Hasher(wants_audio=False, wants_landmarks=True)
        return given, [planned_clip("ours", pair, hasher) for pair in given.methods["ours"]]

    plan()
    (kept, _), (_, clips) = _kept(plan)
    assert all(clip.generated.landmarks and clip.generated.video_sha256 for clip in clips)
    assert kept < 4000 * pairs
