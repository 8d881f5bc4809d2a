"""Image quality through the engine with chosen answers, and what its extractors look at."""

import functools

import numpy as np
import pytest

from gmbench.devices.asking import Given
from gmbench.errors import InputError, PackageError
from gmbench.evaluation.extraction import extractors, quality_extractors
from gmbench.evaluation.extraction.features import ClipContext
from gmbench.evaluation.planning import plan
from gmbench.evaluation.scoring import registry
from gmbench.evaluation.scoring.quality_metrics import quality_metrics
from tests.evaluation.helpers import protocol
from tests.evaluation.test_bindings_motion import moving

FRAMES = 4


def scored(*values):
    return {"scores": np.array(values, float)}


def test_means_of_frames_and_their_gaps(world):
    ours = {"mouth_quality": scored(40, 60, np.nan, 50), "face_quality": scored(0.4, 0.6, np.nan, 0.2)}
    real = {"mouth_quality": scored(55, 55, 55, 55), "face_quality": scored(0.5, 0.5, 0.5, 0.5)}
    world.add("ours", "S/a", FRAMES, points=moving(frames=FRAMES), aesthetics=scored(4, 5, 4, 5), **ours)
    world.add("reference", "S/a", FRAMES, points=moving(frames=FRAMES), aesthetics=scored(5, 5, 5, 5), **real)
    rows = world.rows(*quality_metrics())
    expected = {"mouth_q": 50.0, "face_q": 0.3, "aesthetic": 4.5}
    gaps = {"mouth_q_gap": 5.0, "face_q_gap": 0.2, "aesthetic_gap": 0.5}
    for name, value in (expected | gaps).items():
        assert rows[name].value == pytest.approx(value)
    records = world.clips("mouth_q")
    assert records[["frames_used", "frames_expected"]].loc["S/a"].tolist() == [3, 4]


def test_a_clip_without_any_face_has_no_quality(world):
    world.add("ours", "S/a", FRAMES, points=moving(frames=FRAMES), face_quality=scored(*[np.nan] * FRAMES))
    assert world.clips("face_q", reference=False).loc["S/a", "status"] == "failed"


def test_quality_of_the_face_drifts(world):
    answers = {"face_quality": scored(*np.linspace(1, 0, 40))}
    world.add("ours", "S/a", 40, points=moving(frames=40), **answers)
    row = world.rows("face_q_drift", reference=False)["face_q_drift"]
    assert row.value == pytest.approx(-30 / 39)
    assert row.flags == "short_for_drift"


class Seen:
    """Stands for a network: the mean of a picture, and how large each one was."""

    def __init__(self):
        self.shapes = []

    def __call__(self, pictures):
        self.shapes.append(pictures.shape)
        return Given(pictures.reshape(len(pictures), -1).mean(axis=1, keepdims=True).astype(np.float32))


def extracted(monkeypatch, build, frames, points, **changes):
    network = Seen()
    monkeypatch.setattr(quality_extractors, "_asked", lambda context, load, weights: network)
    feature = build(protocol(**changes))
    context = ClipContext(len(frames), *frames[0].shape[:2], points, None, {})
    accumulator = feature.begin(context)
    for index, frame in enumerate(frames):
        accumulator.add(index, frame)
    return accumulator.finish()["scores"], network.shapes


def test_what_each_network_looks_at(monkeypatch, rng):
    frames = [rng.integers(0, 256, (200, 220, 3)).astype(np.uint8) for _ in range(3)]
    points = moving(frames=3)
    points[1] = np.nan
    see = functools.partial(extracted, monkeypatch, frames=frames, points=points)
    mouth, shapes = see(quality_extractors.mouth_quality)
    assert np.isfinite(mouth).tolist() == [True, False, True]
    assert all(n == 1 and h < 150 and w < 150 for n, h, w, _ in shapes)
    face, shapes = see(quality_extractors.face_quality)
    assert (np.isfinite(face).tolist(), set(shapes)) == ([True, False, True], {(1, 512, 512, 3)})
    whole, shapes = see(quality_extractors.aesthetics)
    assert whole == pytest.approx([frame.mean() for frame in frames], rel=1e-5)
    assert set(shapes) == {(1, 200, 220, 3)}


def test_a_score_is_the_same_whatever_the_clip_shows_besides(monkeypatch, rng):
    frames = [rng.integers(0, 256, (200, 200, 3)).astype(np.uint8) for _ in range(5)]
    points = moving(frames=5)
    together, _ = extracted(monkeypatch, quality_extractors.mouth_quality, frames, points)
    alone = [
        extracted(monkeypatch, quality_extractors.mouth_quality, [frame], points[t : t + 1])[0][0]
        for t, frame in enumerate(frames)
    ]
    assert together == pytest.approx(alone, abs=1e-4)


def test_fewer_frames_when_asked_for(monkeypatch, rng):
    frames = [rng.integers(0, 256, (64, 64, 3)).astype(np.uint8) for _ in range(9)]
    few, _ = extracted(monkeypatch, quality_extractors.aesthetics, frames, None, quality_frames=3)
    assert few == pytest.approx([frames[t].mean() for t in (0, 4, 8)], rel=1e-5)


def test_without_the_package_a_named_metric_says_how_to_get_it(heads, monkeypatch):
    monkeypatch.setattr(plan, "installed_version", lambda package: "")
    given = {"ours": []}
    with pytest.raises(PackageError, match=r"mouth_q: the package pyiqa is not installed.*'gmbench\[iqa\]'"):
        plan.make_plan(given, "d", protocol(), registry.select("mouth_q,psnr", True))
    kept, notes = plan._with_packages(registry.select("theval", True), protocol(), explicit=False)
    assert "th_score5" in {metric.name for metric in kept}
    assert not {"th_score", "th_mouth_q"} & {metric.name for metric in kept}
    assert "left out: th_mouth_q, th_face_q, th_aesthetic, th_score, th_clip; the package pyiqa" in notes[0]


def test_the_corpus_has_no_network_of_its_own_for_it():
    for name in ("mouth_quality", "face_quality", "aesthetics"):
        assert not extractors.extractor(name, protocol(extractors="corpus")).fallback
    with pytest.raises(InputError):
        protocol(quality_frames=-1)


def test_every_metric_of_quality_has_a_test_here():
    import inspect
    import sys

    source = inspect.getsource(sys.modules[__name__])
    assert [m for m in quality_metrics() if f'"{m}"' not in source] == []
