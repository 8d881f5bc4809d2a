import math
import shutil

import numpy as np
import pandas as pd
import pytest

from gmbench.errors import InputError
from gmbench.evaluation.extraction import features, frame_pass
from gmbench.evaluation.results import aggregate, merging, records
from gmbench.evaluation.scoring import registry, signal_metrics
from gmbench.media import Video
from gmbench.metrics import quality
from gmbench.reporting import comparisons
from tests.evaluation.helpers import FAST, make_plan, run, value


def as_bytes(table, path):
    records.write(path, table)
    return path.read_bytes()


@pytest.fixture(scope="module")
def done(sketches, tmp_path_factory):
    """Records of both methods and all controls, and the store that they left."""
    store = tmp_path_factory.mktemp("engine-store")
    controls = ["ground_truth", "still", "blur", "late_audio", "shuffled_audio"]
    return run(sketches, store, controls=controls, metrics=[*FAST, "cpbd", "cpbd_gap", "div_gap"]), store


def test_one_record_for_each_method_clip_and_metric(done):
    table, _ = done
    assert len(table) == 7 * 6 * (len(FAST) + 3)
    assert not table.duplicated(["method", "clip", "metric"]).any()
    assert table["clip"].unique().tolist() == sorted(f"S{s:03d}/{c:03d}" for s in range(3) for c in range(2))
    assert set(table["speaker"]) == {"S000", "S001", "S002"}


def test_values_are_those_of_the_metric_on_the_decoded_frames(done, sketches):
    table, _ = done
    clip = table[(table["method"] == "near") & (table["clip"] == "S001/000")].set_index("metric_name")
    a, b = (list(Video(sketches / side / "S001" / "000.mp4")) for side in ("near", "reference"))
    expected = np.mean([quality.psnr(x, y) for x, y in zip(a, b, strict=True)])
    assert clip.loc["psnr", "value"] == pytest.approx(expected, abs=1e-9)
    expected = np.mean([quality.ssim(x, y) for x, y in zip(a, b, strict=True)])
    assert clip.loc["ssim", "value"] == pytest.approx(expected, abs=1e-12)
    assert clip.loc["psnr", "frames_used"] == len(a) == 60


def test_the_better_imitation_is_better(done):
    table, _ = done
    for metric, sign in (("psnr", 1), ("ssim", 1), ("pcm", 1), ("m_lmd", -1), ("m_nlmd", -1), ("cpbd_gap", -1)):
        assert sign * value(table, "near", metric) > sign * value(table, "far", metric), metric


def test_controls_stand_where_they_must(done):
    table, _ = done
    assert math.isinf(value(table, "ground_truth", "psnr"))
    assert value(table, "ground_truth", "ssim") == pytest.approx(1.0, abs=1e-6)
    for metric in ("m_lmd", "m_nlmd", "div_gap", "cpbd_gap"):
        assert value(table, "ground_truth", metric) == 0.0
    assert value(table, "ground_truth", "pcm") == 1.0
    assert value(table, "still", "div") == 0.0
    assert value(table, "still", "trace_rms") == 0.0
    assert value(table, "still", "pcm") < 0.5
    assert value(table, "blur", "cpbd") < 0.5 * value(table, "ground_truth", "cpbd")
    assert value(table, "blur", "ssim") < 0.97
    assert value(table, "late_audio", "ba_m2a") < value(table, "ground_truth", "ba_m2a")
    assert value(table, "shuffled_audio", "ba_m2a") < value(table, "ground_truth", "ba_m2a")
    assert value(table, "late_audio", "psnr") == math.inf


def test_a_still_head_has_no_beats_and_says_so(done):
    table, _ = done
    still = table[(table["method"] == "still") & (table["metric_name"] == "ba_m2a")]
    assert set(still["status"]) == {"undefined"}
    assert still["reason"].str.contains("0 motion beats").all()


def test_a_fallback_has_another_key(done):
    table, _ = done
    keys = dict(zip(table["metric_name"], table["metric"], strict=True))
    assert keys["psnr"] == "psnr"
    assert keys["m_lmd"] == "m_lmd_fb:sketch"
    assert keys["div"] == "div_fb:sketch"
    assert set(table[table["metric_name"] == "div"]["backend"]) == {"fallback:sketch"}


@pytest.mark.parametrize("options", [{"batch": 1}, {"batch": 8}, {"batch": 32}, {"workers": 2}])
def test_batch_and_workers_do_not_change_a_byte(sketches, tmp_path, options):
    expected = as_bytes(run(sketches, tmp_path / "a"), tmp_path / "a.parquet")
    assert as_bytes(run(sketches, tmp_path / "b", **options), tmp_path / "b.parquet") == expected


def test_order_of_clips_does_not_change_a_byte(sketches, tmp_path, monkeypatch):
    expected = as_bytes(run(sketches, tmp_path / "a"), tmp_path / "a.parquet")
    permuted = []
    from gmbench.evaluation.planning.plan import Plan

    def shuffled(self, store, batch):
        groups = groups_of(self, store, batch)
        order = np.random.default_rng(1).permutation(len(groups))
        permuted.append(order.tolist())
        return [groups[i] for i in order]

    groups_of = Plan.groups
    monkeypatch.setattr(Plan, "groups", shuffled)
    assert as_bytes(run(sketches, tmp_path / "b"), tmp_path / "b.parquet") == expected
    assert permuted[0] != sorted(permuted[0])


def test_a_dask_scheduler_gives_the_same_bytes(sketches, tmp_path):
    from distributed import LocalCluster

    expected = as_bytes(run(sketches, tmp_path / "a"), tmp_path / "a.parquet")
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        found = run(sketches, tmp_path / "b", scheduler=cluster.scheduler_address)
    assert as_bytes(found, tmp_path / "b.parquet") == expected


def test_methods_evaluated_apart_or_together_are_the_same(sketches, tmp_path):
    together = run(sketches, tmp_path / "a")
    apart = merging.merge(
        run(sketches, tmp_path / "b", methods=("near",)), run(sketches, tmp_path / "b", methods=("far",))
    )
    assert as_bytes(apart, tmp_path / "b.parquet") == as_bytes(together, tmp_path / "a.parquet")


def test_an_interrupted_run_goes_on_where_it_was(sketches, tmp_path):
    expected = as_bytes(run(sketches, tmp_path / "a"), tmp_path / "a.parquet")

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(sketches, tmp_path / "b", progress=stop)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "b").rglob("*.safetensors")}
    assert kept
    assert as_bytes(run(sketches, tmp_path / "b"), tmp_path / "b.parquet") == expected
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items())


def count_decodes(monkeypatch):
    opened = []
    original = frame_pass.Video

    def counting(path):
        opened.append(path)
        return original(path)

    monkeypatch.setattr(frame_pass, "Video", counting)
    return opened


def test_each_clip_is_decoded_once_for_all_methods_and_metrics(sketches, tmp_path, monkeypatch):
    opened = count_decodes(monkeypatch)
    run(sketches, tmp_path, metrics=[*FAST, "cpbd", "ssim_u7"], controls=["ground_truth", "late_audio"])
    assert len(opened) == 18
    assert len(set(opened)) == 18


def test_nothing_is_decoded_again_for_stored_features(done, sketches, monkeypatch):
    _, store = done
    opened = count_decodes(monkeypatch)
    run(sketches, store, metrics=["div_std", "still_ratio", "f_lmd", "ba_a2m", "ba_a2m_chance"])
    assert opened == []


def test_another_version_of_a_feature_is_computed_anew(sketches, tmp_path, monkeypatch):
    run(sketches, tmp_path, metrics=["psnr"], methods=("near",))
    opened = count_decodes(monkeypatch)
    changed = features.PairFeature("mse", signal_metrics.MSE.version + 1, quality.mse)
    monkeypatch.setattr(signal_metrics, "MSE", changed)
    registry.METRICS.forget()
    try:
        run(sketches, tmp_path, metrics=["psnr"], methods=("near",))
    finally:
        monkeypatch.undo()
        registry.METRICS.forget()
    assert len(opened) == 12


def test_a_damaged_store_file_is_made_again(sketches, tmp_path):
    expected = as_bytes(run(sketches, tmp_path / "a"), tmp_path / "a.parquet")
    for path in list((tmp_path / "a").rglob("*.safetensors"))[::3]:
        path.write_bytes(path.read_bytes()[:20])
    assert as_bytes(run(sketches, tmp_path / "a"), tmp_path / "b.parquet") == expected


def test_eat128_scores_face_crops(sketches, tmp_path):
    full = run(sketches, tmp_path, metrics=["psnr", "ssim_u7", "m_lmd", "cpbd"])
    crop = run(sketches, tmp_path, metrics=["psnr", "ssim_u7", "m_lmd", "cpbd"], name="eat128")
    assert value(crop, "near", "psnr") != pytest.approx(value(full, "near", "psnr"), abs=0.1)
    assert value(crop, "near", "m_lmd") == pytest.approx(value(full, "near", "m_lmd"))
    assert value(crop, "near", "psnr") > value(crop, "far", "psnr")
    with pytest.raises(Exception, match="protocol_hash"):
        aggregate.rows(pd.concat([full, crop]))


def test_linspace_pairing_is_the_same_for_equal_lengths(sketches, tmp_path):
    crop = run(sketches, tmp_path, metrics=["psnr"], name="eat128")
    warped = run(sketches, tmp_path, metrics=["psnr"], name="eat128_linspace")
    assert warped["value"].tolist() == crop["value"].tolist()


def test_without_a_reference_only_what_needs_none(sketches, tmp_path):
    table = run(sketches, tmp_path, reference=False, metrics=["cpbd", "div", "ba_a2m"])
    assert (table["status"] == "ok").all()
    assert set(table["reference_sha256"]) == {""}
    with pytest.raises(InputError, match="--reference"):
        make_plan(sketches, reference=False, metrics=["psnr"])
    with pytest.raises(InputError, match="--reference"):
        make_plan(sketches, reference=False, metrics=["cpbd"], controls=["still"])


def test_samples_of_one_clip_are_compared_with_each_other(sketches, tmp_path):
    folder = tmp_path / "clips"
    shutil.copytree(sketches / "reference", folder / "reference")
    shutil.copytree(sketches / "near", folder / "near")
    for suffix in (".mp4", ".landmarks.npz"):
        source = sketches / "far" / "S000" / f"000{suffix}"
        shutil.copy(source, folder / "near" / "S000" / f"000@1{suffix}")
    table = run(folder, tmp_path / "store", methods=("near",), metrics=["div_samples"])
    by_clip = table.set_index("clip")
    assert len(table) == 6
    assert by_clip.loc["S000/000", "value"] > 1.0
    assert by_clip.loc["S001/000", "status"] == "undefined"


def test_rows_hold_coverage_interval_and_facts(done):
    table, _ = done
    rows = {(row.method, row.metric): row for row in aggregate.rows(table)}
    psnr = rows["near", "psnr"]
    assert (psnr.n, psnr.expected, psnr.unit, psnr.direction, psnr.backend) == (6, 6, "dB", "higher", "official")
    assert psnr.low < psnr.value < psnr.high
    assert psnr.pooled == pytest.approx(psnr.value)  # all clips have one length
    assert rows["ground_truth", "psnr"].as_json()["value"] == "inf"
    still = rows["still", "ba_m2a_fb:sketch"]
    assert (still.n, still.expected) == (0, 6)
    assert still.as_json()["value"] is None


def test_comparison_of_two_methods(done):
    table, _ = done
    found = {row.metric: row for row in comparisons.compare(table, "near", "far")}
    assert found["psnr"].low > 0
    assert (found["psnr"].better, found["psnr"].reason) == ("", "too few speakers to tell")
    assert (found["psnr"].units, found["psnr"].p) == (3, 0.25)
    assert found["m_lmd_fb:sketch"].difference < 0
    assert found["div_fb:sketch"].of_distance  # the real clip's motion is the best
    with pytest.raises(InputError, match="did you mean near"):
        comparisons.compare(table, "naer", "far")


def test_records_come_back_and_merge_replaces_what_is_repeated(done, tmp_path):
    table, _ = done
    records.write(tmp_path / records.FILE, table)
    again = records.read(tmp_path)
    pd.testing.assert_frame_equal(again, table, check_dtype=False)
    changed = table[table["method"] == "near"].copy()
    changed["value"] = 1.0
    merged = merging.merge(again, changed)
    assert len(merged) == len(table)
    assert (merged[merged["method"] == "near"]["value"] == 1.0).all()
    assert merged[merged["method"] == "far"]["value"].equals(table[table["method"] == "far"]["value"])


def test_a_control_that_is_none_is_refused_and_never_a_row(sketches):
    with pytest.raises(InputError, match="did you mean ground_truth"):
        make_plan(sketches, controls=["gound_truth"])
