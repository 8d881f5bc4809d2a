"""The warning of what codecs do to a metric, and the table that it comes from."""

import json

import pytest

from benchmarks import codecs as benchmark
from gmbench.evaluation import validate
from gmbench.metrics import codecs
from gmbench.metrics.catalogue import SPECS


@pytest.fixture
def changes(tmp_path, monkeypatch):
    """Two curves of a validation, read by the benchmark and written as the table of the facts."""
    rows = []
    for metric, corruption, values in (
        ("sync_c_fb:corpus", "reencode", [2.0, 1.9, 1.5, 1.0]),
        ("sync_c_fb:corpus", "aac", [2.0, 1.99, 1.98, 1.97]),
        ("m_lmd_fb:corpus", "h265", [0.0, 0.41, 0.8, 1.3]),
        ("psnr", "aac", ["inf", "inf", "inf", "inf"]),
        ("pcm_chance", "h265", [0.2, 0.1, 0.1, 0.1]),
        ("sync_c_fb:corpus", "blur", [2.0, 1.0, 0.5, 0.1]),
    ):
        rows.append(
            {"metric": metric, "corruption": corruption, "unit": "", "levels": [0, 1, 2, 3], "values": values,
             "rho": None, "strict": False, "expected": False, "verdict": ""}
        )  # fmt: skip
    (tmp_path / "validation.json").write_text(json.dumps(rows))
    found = list(benchmark.measured("corpus", tmp_path))
    path = tmp_path / "codec_changes.csv"
    benchmark.write(found, path)
    monkeypatch.setattr(codecs, "PATH", path)
    codecs.codec_changes.cache_clear()
    yield found
    codecs.codec_changes.cache_clear()


def test_changes_in_per_cent_or_the_distance_of_a_clip_to_itself(changes):
    assert [(c.metric, c.codec, c.unit) for c in codecs.codec_changes()] == [
        ("sync_c", "h264", "%"), ("sync_c", "aac", "%"), ("m_lmd", "h265", ""),
    ]  # fmt: skip
    assert codecs.codec_changes()[0].values == pytest.approx((5, 25, 50))
    assert codecs.codec_changes()[2].values == pytest.approx((0.41, 0.8, 1.3))


def test_who_moves_is_warned_of(changes):
    assert codecs.warning("sync_c") == ("Codecs alone move it, by per cent at three rates: corpus clips H.264 5/25/50.")
    assert "it is, at three rates: corpus clips H.265 0.41/0.8/1.3." in codecs.warning("m_lmd")
    assert codecs.warning("psnr") == ""
    assert codecs.warned(SPECS["cpbd"]) == SPECS["cpbd"]
    assert "| m_lmd | corpus |" in benchmark.markdown(changes)


def test_the_shipped_table_names_metrics_and_codecs_that_there_are():
    codecs.codec_changes.cache_clear()
    found = codecs.codec_changes()
    assert {change.metric for change in found} <= set(SPECS)
    assert {change.codec for change in found} == set(codecs.RATES)
    assert {change.clips for change in found} <= {"corpus", "real"}
    for name in ("sync_c", "sync_d", "lip_dyn", "brow_dyn", "bg_flicker", "cpbd"):
        assert "Codecs alone move it" in SPECS[name].caveats
    assert set(validate.CODECS) - {"reencode"} == set(codecs.RATES) - {"h264"}
