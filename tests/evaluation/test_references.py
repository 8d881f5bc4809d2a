"""Records are paired, and share a dataset's name, only where they were compared with the same references."""

import math

import pandas as pd
import pytest

from gmbench.clips import Clip, Pair
from gmbench.errors import InputError
from gmbench.evaluation.planning.plan import make_plan
from gmbench.evaluation.results import compared_files, identical, merging, records, references, result_folder
from gmbench.evaluation.results.clip_values import ClipValues
from gmbench.evaluation.results.records import WHOLE_SET
from gmbench.evaluation.scoring.registry import METRICS
from gmbench.reporting import comparisons
from gmbench.reporting.page.write import read_sources
from gmbench.reporting.summary import Summary
from gmbench.reporting.tables import comparison_table
from tests.evaluation.helpers import protocol
from tests.reporting.test_tables import rows, table_of


def of(method, shas, metric="psnr", start=10.0, **changes):
    """Records of a method, one clip per digest of a reference."""
    return table_of(
        *([row | {"reference_sha256": sha} for row in rows(method, metric, [start + place], clip=clip, **changes)]
          for place, (clip, sha) in enumerate(shas.items()))
    )  # fmt: skip


def clips(prefix, count=10, first=0):
    return {f"c{n:02d}": f"{prefix}{n}" for n in range(first, first + count)}


def names(fixed, other):
    return sorted(references.named_apart(fixed, other)["dataset"].unique())


def test_a_dataset_of_one_name_and_other_content_gets_a_name_of_its_own():
    first = of("a", clips("x"))
    (other,) = names(first, of("b", clips("y")))
    assert other != "d"
    assert other.startswith("d~")
    assert len(other) == 8
    assert names(first, of("b", clips("x"))) == ["d"]


def test_more_and_fewer_clips_are_the_same_dataset():
    first = of("a", clips("x"))
    assert names(first, of("b", clips("x", 14))) == ["d"]
    assert names(first, of("b", clips("x", 3))) == ["d"]
    assert names(first, of("b", clips("x", 5, first=20))) == ["d"]


def test_a_replaced_reference_leaves_the_dataset_and_costs_its_own_pair():
    first, second = of("a", clips("x")), of("b", clips("x") | {"c03": "new", "c04": "newer"}, start=5.0)
    assert names(first, second) == ["d"]
    merged = merging.merge(first, second)
    (found,) = comparisons.compare(merged, "a", "b")
    assert (found.n, found.expected, found.difference) == (8, 10, 5.0)
    assert found.remark == "2 clips were compared with different references and are left out"
    assert "2 of 10 clips were compared with different references" in references.warnings(merged)[0]
    table = comparison_table(Summary.of(merged))
    assert any("compared with different references" in note for note in table.notes)
    place = next(n for n, title in enumerate(table.header) if "common clips" in title)
    assert [line[place].text for line in table.body] == ["14.75", "9.750"]  # the means of 10 to 19 but for 13 and 14


def test_what_comes_back_joins_the_dataset_of_its_content():
    first = of("a", clips("x"))
    second = references.named_apart(first, of("b", clips("y")))
    both = merging.merge(first, second)
    third = references.named_apart(both, of("c", clips("y", 12)))
    assert set(third["dataset"]) == set(second["dataset"]) != {"d"}
    assert names(both, of("c", clips("x"))) == ["d"]
    assert len(names(merging.merge(both, third), of("e", clips("z")))[0]) == 8


def test_other_references_give_no_pair_no_p_and_say_so():
    first = of("a", clips("x"))
    merged = merging.merge(first, references.named_apart(first, of("b", clips("y"))))
    with pytest.raises(InputError, match="compared with different references"):
        comparisons.compare(merged, "a", "b")
    assert [set(summary.methods) for summary in Summary.per_protocol(merged)] == [{"a"}, {"b"}]


def test_without_any_common_reference_within_a_dataset_there_is_no_better_method():
    merged = records.concatenate([of("a", clips("x"), start=90.0), of("b", clips("y"))])
    (found,) = comparisons.compare(merged, "a", "b")
    assert (found.n, found.better) == (0, "")
    assert math.isnan(found.p)
    assert Summary.of(merged).leads["psnr"].best == ""


def test_one_side_without_references_is_no_pair():
    merged = records.concatenate([of("a", clips("x"), "cpbd"), of("b", dict.fromkeys(clips("x"), ""), "cpbd")])
    (found,) = comparisons.compare(merged, "a", "b")
    assert found.n == 0


def test_numbers_of_whole_sets_with_other_references_are_pointed_out():
    sets = [of(m, {"*": sha}, "fid", clips_expected=10, clips_used=10) for m, sha in (("a", "s1"), ("b", "s2"))]
    assert (
        "fid of whole sets were compared with different references" in references.warnings(records.concatenate(sets))[0]
    )
    assert references.warnings(records.concatenate([sets[0], of("b", {"*": "s1"}, "fid")])) == []


def test_numbers_of_former_videos_beside_new_ones_are_pointed_out():
    old = of("a", clips("x"), generated_sha256="v1")
    new = of("a", clips("x"), "ssim", generated_sha256="v2")
    assert (
        "several versions of its videos stand in one row (10 clips)" in references.warnings(merging.merge(old, new))[0]
    )


def test_a_folder_keeps_both_datasets_and_says_so(tmp_path):
    result_folder.save(tmp_path, of("a", clips("x")), {})
    new = of("a", clips("y"), start=20.0)
    notes = result_folder.merge_warnings(tmp_path, new)
    merged, named = result_folder.save(tmp_path, new, {})
    assert "compared with different references" in notes[0]
    assert "gmbench records drop" in notes[0]
    assert len(merged) == 20
    again, same = result_folder.save(tmp_path, new, {})
    pd.testing.assert_frame_equal(again, merged)
    assert set(same["dataset"]) == set(named["dataset"])


def test_files_named_together_keep_content_apart_and_the_last_keeps_its_name(tmp_path):
    for name, prefix in (("one", "x"), ("two", "y")):
        records.write(tmp_path / name / records.FILE, of("a", clips(prefix)))
    parts = merging.read_named([tmp_path / "one", tmp_path / "two"])
    assert set(parts[1].records["dataset"]) == {"d"}
    assert parts[0].names["d"].startswith("d~")
    assert len(merging.joined(parts)) == 20


def video(folder, name, content):
    path = folder / f"{name}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def planned_reference(tmp_path, metric, chosen, sound=b"", points=b""):
    folder = tmp_path / repr((sound, points))
    real, fake = video(folder / "r", "c", b"v" * 100), video(folder / "g", "c", b"w" * 100)
    side = {}
    if sound:
        side["audio"] = folder / "c.wav"
        side["audio"].write_bytes(sound)
    if points:
        side["landmarks"] = folder / "c.landmarks.npz"
        side["landmarks"].write_bytes(points)
    pair = Pair("c", Clip("c", fake, **side), Clip("c", real, **side))
    plan = make_plan({"m": [pair]}, "d", chosen, [METRICS.get(metric)])
    return plan.reference_of(plan.clips[0], METRICS.get(metric))


def test_separate_sound_and_landmarks_count_where_the_metric_reads_them(tmp_path, monkeypatch):
    monkeypatch.setattr("gmbench.media.has_audio", lambda path: False)
    monkeypatch.setattr("gmbench.media.check_file", lambda path: None)
    monkeypatch.setattr("gmbench.evaluation.planning.plan.sidecar_detector", lambda path: None)
    side = protocol()
    assert side.landmarks == "sidecar"
    picture = planned_reference(tmp_path, "psnr", side)
    assert planned_reference(tmp_path, "psnr", side, sound=b"s" * 100, points=b"p") == picture
    quiet, loud = (planned_reference(tmp_path, "corr_onset", side, sound=s * 100) for s in (b"s", b"t"))
    assert quiet != loud
    assert quiet.startswith(f"{picture}+")
    one, two = (planned_reference(tmp_path, "m_lmd", side, points=p) for p in (b"p", b"q"))
    assert one != two
    assert one.startswith(f"{picture}+")


def test_a_method_that_is_its_reference_is_pointed_out():
    same = of("a", clips("x"), generated_sha256="")
    same["generated_sha256"] = same["reference_sha256"]
    (note,) = identical.of_records(same)
    assert note.startswith("a: 10 of 10 clips (for example c00) are the reference's own files")
    assert identical.of_records(same.assign(method="ground_truth")) == []
    other_bytes = of("a", clips("x"), start=math.inf).assign(
        generated_sha256=lambda t: ["g" + clip for clip in t["clip"]]
    )
    (note,) = identical.of_records(other_bytes)
    assert "equal the reference in every pixel" in note


def test_two_methods_of_the_same_files_or_pixels_are_pointed_out():
    first = of("a", clips("x")).assign(generated_sha256=lambda t: ["g" + clip for clip in t["clip"]])
    (note,) = identical.of_records(records.concatenate([first, first.assign(method="b")]))
    assert note == "a and b: 10 of 10 clips are the same files, byte for byte"
    other = first.assign(method="b", generated_sha256=lambda t: ["h" + clip for clip in t["clip"]])
    (note,) = identical.of_records(records.concatenate([first, other]))
    assert note == "a and b: 10 of 10 clips have the same pixels in other files"
    assert identical.of_records(records.concatenate([first, other.assign(value=lambda t: t["value"] + 1e-9)])) == []


def test_one_file_under_many_names_is_pointed_out():
    (note,) = identical.of_records(of("a", clips("x"), generated_sha256="g"))
    assert note == "a: 10 clips are the same files under several names (c00 and c01)"


def test_the_page_shows_the_files_of_each_dataset_of_one_name(tmp_path):
    for name, prefix in (("one", "x"), ("two", "y")):
        folder = tmp_path / name
        records.write(folder / records.FILE, of("a", clips(prefix, 1)))
        row = {"dataset": "d", "method": "a", "clip": "c00", "video": f"{name}.mp4"}
        compared_files.save(folder, pd.DataFrame([dict.fromkeys(compared_files.COLUMNS, "") | row]))
    parts = merging.read_named([tmp_path / "one", tmp_path / "two"])
    shown = {(str(t["dataset"].iloc[0]), t["video"].iloc[0]) for _, t in read_sources(parts)}
    assert shown == {(parts[0].names["d"], "one.mp4"), ("d", "two.mp4")}


def test_one_number_of_a_set_of_many_references_has_no_clip_values():
    """More references than one byte counts, and none of them has a value of its own under FID."""
    many = of("a", {f"c{n:03d}": f"x{n}" for n in range(200)})
    clips_of_all = pd.Categorical([WHOLE_SET] * 200, [*many["clip"].cat.categories, WHOLE_SET])
    values = ClipValues(many.assign(metric="fid", clip=clips_of_all), "fid")
    assert len(values.table) == 0
    assert math.isnan(values.real_mean)
