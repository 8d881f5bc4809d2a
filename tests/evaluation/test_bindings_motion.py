"""What the tables print of motion, silence, timing and drift: each metric through the engine, by hand."""

import math

import librosa
import numpy as np
import pytest

from gmbench.audio import spectra, speech
from gmbench.evaluation import protocol as protocols
from gmbench.evaluation.extraction import plain_extractors
from gmbench.evaluation.extraction.features import ClipContext
from gmbench.evaluation.scoring.motion_metrics import motion_metrics
from gmbench.evaluation.scoring.timing_metrics import timing_metrics
from gmbench.metrics import blinks, face_dynamics, linear_sync, silence, sync, time_warping
from gmbench.metrics.landmarks import interocular
from tests.evaluation.test_bindings_signals import bursts

FRAMES = 60


def rest():
    """(68, 2) of a face, eyes 40 apart."""
    points = np.random.default_rng(3).uniform(60, 140, (68, 2))
    for eye, left in ((36, 80), (42, 120)):
        points[eye : eye + 6] = np.array([(0, 0), (3, -4), (9, -4), (12, 0), (9, 4), (3, 4)]) + [left, 90]
    points[60], points[64] = (90, 120), (110, 120)
    for upper, lower in ((61, 67), (62, 66), (63, 65)):
        points[upper], points[lower] = (100, 118), (100, 122)
    return points


def moving(seed=0, frames=FRAMES, size=1.0):
    """(T, 68, 2) of a face that moves."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0, 0.3, (frames, 1, 2)), axis=0)
    return rest() + size * (walk + rng.normal(0, 0.4, (frames, 68, 2)))


def with_faces(world, clip, generated, real, **answers):
    world.add("ours", clip, len(generated), points=generated, **answers)
    world.add("reference", clip, len(real), points=real)


def test_motion_of_the_generated_clip_and_its_gap_to_the_real_one(world):
    ours, real = moving(0), moving(1, size=2.0)
    with_faces(world, "S/a", ours, real)
    heights = face_dynamics.brow_heights
    expected = {
        "brow_dyn": lambda f: face_dynamics.brow_dynamics(heights(f)),
        "brow_std": lambda f: face_dynamics.brow_spread(heights(f)),
        "lip_dyn": face_dynamics.lip_dynamics,
        "jitter": face_dynamics.jitter,
        "head_dyn_pos": lambda f: face_dynamics.head_position_dynamics(
            (f.min(axis=1) + f.max(axis=1)) / 2, interocular(f).mean()
        ),
    }
    rows = world.rows(*expected, *(f"{name}_gap" for name in expected))
    for name, value in expected.items():
        assert rows[name].value == pytest.approx(value(ours))
        assert rows[f"{name}_gap"].value == pytest.approx(abs(value(ours) - value(real)))
        assert value(real) > 1.2 * value(ours)


def test_turning_of_the_head_and_its_gap(world):
    ours = np.zeros((FRAMES, 3))
    ours[:, 1] = 3 * np.sin(np.arange(FRAMES) / 4)
    world.add("ours", "S/a", FRAMES, pose={"pose": ours})
    world.add("reference", "S/a", FRAMES, pose={"pose": ours / 2})
    rows = world.rows("head_dyn_rot", "head_dyn_rot_gap")
    value = face_dynamics.head_rotation_dynamics(ours)
    assert rows["head_dyn_rot"].value == pytest.approx(value)
    assert rows["head_dyn_rot_gap"].value == pytest.approx(value * (1 - 0.5**1.5))


def test_two_seconds_are_the_least_for_a_spread(world):
    lost = moving()
    lost[: FRAMES - 49] = math.nan
    with_faces(world, "S/a", lost, moving(1))
    with_faces(world, "S/b", moving(1), lost)
    for name in ("brow_dyn", "lip_dyn", "brow_std", "head_dyn_pos"):
        record = world.clips(name).loc["S/a"]
        assert (record["status"], record["reason"]) == ("undefined", "49 frames with a face; needs at least 50")
    assert world.clips("lip_dyn_gap").loc["S/b", "status"] == "undefined"
    assert world.clips("jitter").loc["S/a", "status"] == "ok"


SPOKEN = np.r_[np.ones(20), np.zeros(30), np.ones(10)].astype(bool)


def test_lips_in_silence(world):
    """Silent frames 20 to 49: the opening alternates there by 2 pixels of 46 between the eyes."""
    ours = np.repeat(rest()[None], FRAMES, axis=0)
    flapping = (np.arange(FRAMES) % 2 == 0) & ~SPOKEN
    ours[flapping, 65:68, 1] += 2.0
    ours[SPOKEN, 65:68, 1] += 30.0
    with_faces(world, "S/a", ours, np.repeat(rest()[None], FRAMES, axis=0), speech={"speech": SPOKEN})
    world.answers["speech"][2] = {"speech": SPOKEN}
    names = ("silent_mad", "silent_range", "silent_open")
    rows = world.rows(*names, *(f"{name}_gap" for name in names))
    opening, aspect = silence.mouth_opening(ours)[20:50], silence.mouth_aspect(ours)[20:50]
    assert rows["silent_mad"].value == pytest.approx(np.median(np.abs(opening - np.median(opening))))
    assert rows["silent_range"].value == pytest.approx(opening.max() - opening.min())
    assert rows["silent_open"].value == rows["silent_open_gap"].value == (aspect > 0.25).mean() == 0.5
    assert rows["silent_mad_gap"].value == pytest.approx(rows["silent_mad"].value)
    assert rows["silent_range_gap"].value == pytest.approx(rows["silent_range"].value)
    record = world.clips("silent_mad").loc["S/a"]
    assert record[["frames_used", "frames_expected"]].tolist() == [30, 30]


def test_a_clip_without_silence_has_no_value(world):
    with_faces(world, "S/a", moving(), moving(), speech={"speech": np.ones(FRAMES, bool)})
    record = world.clips("silent_range").loc["S/a"]
    assert (record["status"], record["reason"]) == ("undefined", "0 silent frames with a face; needs 8")


def blinking(at, frames=FRAMES):
    faces = np.repeat(rest()[None], frames, axis=0)
    for eye in (36, 42):
        faces[at, eye : eye + 6, 1] = 90
    return faces


def test_lips_driven_by_silence(world):
    """LipLeak's protocol: of silent sound every frame counts, by loudness too."""
    chosen = protocols.load("silent_drive")
    assert chosen.metrics == ("silent_open", "silent_range", "silent_mad", "lip_dyn")
    speech = silence.loud_frames(np.zeros(FRAMES))
    faces = np.repeat(rest()[None], FRAMES, axis=0)
    faces[:15, 65:68, 1] += 10
    world.add("ours", "S/a", FRAMES, points=faces, speech={"speech": speech})
    rows = world.rows(*chosen.metrics, reference=False, name="silent_drive")
    assert rows["silent_open"].value == pytest.approx(0.25)
    assert rows["lip_dyn"].value > 0
    assert world.clips("silent_open", reference=False, name="silent_drive").loc["S/a", "frames_used"] == FRAMES


def test_blinks(world):
    with_faces(world, "S/a", blinking(slice(10, 14)), blinking(slice(0)))
    rows = world.rows("blink_rate", "blink_rate_gap", "blink_ms")
    assert rows["blink_rate"].value == rows["blink_rate_gap"].value == pytest.approx(25 / FRAMES)
    assert rows["blink_ms"].value == 160
    assert "few_frames" in rows["blink_rate"].flags
    assert "few_frames" not in rows["blink_ms"].flags
    with_faces(world, "S/b", blinking(slice(0)), blinking(slice(0)))
    assert world.clips("blink_ms").loc["S/b", "reason"] == "no blink"
    assert world.rows("blink_rate")["blink_rate"].pooled == pytest.approx(25 / (2 * FRAMES))
    assert blinks.FEW_FRAMES == 30 * 25


def test_angles_are_compared_frame_by_frame_and_inside_a_band(world):
    ours, real = np.zeros((FRAMES, 3)), np.zeros((FRAMES, 3))
    ours[:, 1], real[:, 0] = 6.0, 3.0
    world.add("ours", "S/a", FRAMES, pose={"pose": ours})
    world.add("reference", "S/a", FRAMES, pose={"pose": real})
    rows = world.rows("apd", "pose_dtw")
    assert rows["apd"].value == pytest.approx(3.0)
    assert rows["pose_dtw"].value == pytest.approx(9.0)


def shifted_faces(frames=FRAMES, by=2):
    faces = np.repeat(rest()[None], frames + by, axis=0)
    wave = 2 * np.cumsum(np.random.default_rng(0).normal(size=frames + by))
    faces[:, 65:68, 1] += np.abs(wave)[:, None]
    return faces[by:], faces[:frames]


def test_distances_that_forgive_a_small_delay(world):
    ours, real = shifted_faces()
    with_faces(world, "S/a", ours, real)
    rows = world.rows("m_lmd", "m_lmd_dtw", "open_dtw", "warp_ms")
    assert rows["m_lmd_dtw"].value < 0.3 * rows["m_lmd"].value
    opening = [silence.mouth_opening(side) for side in (ours, real)]
    costs = time_warping.band_costs(*opening, lambda a, b: np.abs(a - b), 3)
    assert rows["open_dtw"].value == pytest.approx(time_warping.warping(costs).cost)
    assert 60 < rows["warp_ms"].value <= 80


def test_perceptual_distance_that_forgives_a_small_delay(world, rng):
    """The value of frame t against frame s is chosen for every pair; the reference has no values with itself."""
    values = rng.uniform(size=(12, 12))
    world.add("ours", "S/a", 12, lpips_band=values)
    world.add("reference", "S/a", 12)
    inside = time_warping.BandCosts(12, 3)
    for t in range(12):
        inside.add(t, t, lambda a, b: values[a, b])
    row = world.rows("lpips_dtw")["lpips_dtw"]
    assert row.value == pytest.approx(time_warping.warping(inside.costs).cost)
    assert row.value < np.diag(values).mean()


def test_gamma_makes_another_number_under_a_key_of_its_own(world):
    ours, real = shifted_faces()
    with_faces(world, "S/a", ours, real)
    with_faces(world, "S/b", ours, ours)
    records = world.clips("open_dtw", dtw_gamma=0.01)
    assert set(records["metric"]) == {"open_dtw@gamma=0.01"}
    opening = [silence.mouth_opening(side) for side in (ours, real)]
    pairs = [opening, opening[:1] * 2, opening[1:] * 2]
    costs = [time_warping.band_costs(*pair, lambda a, b: np.abs(a - b), 3) for pair in pairs]
    assert records["value"]["S/a"] == pytest.approx(time_warping.soft_divergence(*costs, 0.01) / FRAMES)
    assert records["value"]["S/b"] == pytest.approx(0.0, abs=1e-12)
    assert set(world.clips("warp_ms", dtw_gamma=0.01)["metric"]) == {"warp_ms"}


def test_gamma_of_pictures_and_of_lips_and_sound(world):
    from tests.evaluation.fake_extractor import in_step

    distances = np.abs(np.subtract.outer(np.arange(44.0), np.arange(44.0)))
    answers = {"lpips_band": distances, "sync": in_step()}
    world.add("ours", "S/a", 44, sound=bursts(44, (5,)), **answers)
    world.add("reference", "S/a", 44, **answers)
    rows = world.rows("lpips_dtw", "sync_d_dtw", dtw_gamma=0.1)
    assert rows["lpips_dtw@gamma=0.1"].value == pytest.approx(0.0, abs=1e-9)  # both differ from themselves as well
    assert rows["sync_d_dtw@gamma=0.1"].value == pytest.approx(0.0, abs=1e-6)


def test_landmarks_without_blendshapes_have_no_expression(world):
    with_faces(world, "S/a", moving(), moving())
    for name in ("aed", "expr_dtw", "fxd", "fxd_c"):
        records = world.run(name)
        assert set(records["status"]) == {"undefined"}
        assert "no blendshapes" in records["reason"].iloc[0]


def test_expressions_of_two_clips_and_their_sets(world, monkeypatch):
    """A backend with blendshapes stands in: 51 of 52 shapes 0.1 apart in every frame."""
    from gmbench.evaluation.scoring.clip_data import ClipFeatures

    def shapes(clip):
        rng = np.random.default_rng(8)
        own = rng.uniform(0, 0.5, (FRAMES, 52))
        return own + (0.1 if "ours" in str(clip.source.video) else 0.0)

    monkeypatch.setattr(ClipFeatures, "blendshapes", property(shapes))
    with_faces(world, "S/a", moving(), moving(1))
    rows = world.rows("aed", "expr_dtw", "fxd", "fxd_c")
    assert rows["aed"].value == pytest.approx(10.0)
    assert rows["expr_dtw"].value == pytest.approx(0.1)
    assert rows["fxd"].value == pytest.approx(51 * 0.1**2)
    assert rows["fxd_c"].value == pytest.approx(0.0, abs=1e-9)
    assert rows["fxd"].flags == "fxd_small_n"


def test_sync_distance_inside_a_band_sees_late_sound(world):
    from tests.evaluation.fake_extractor import in_step

    for clip, lead in (("S/a", 0), ("S/b", 2), ("S/c", 10)):
        world.add("ours", clip, 44, sync=in_step(lead=lead), sound=bursts(44, (5,)))
    values = world.clips("sync_d_dtw", reference=False)["value"]
    assert values["S/a"] == pytest.approx(0.0, abs=1e-5)
    assert values["S/b"] < 0.2
    assert values["S/c"] > 1.0


def spoken_lips(frames=300, lead=4):
    """Bands and lips that follow them some frames later."""
    bands = np.random.default_rng(0).normal(size=(frames, 20))
    faces = np.repeat(rest()[None], frames, axis=0)
    faces[:, 48:68, 1] += np.roll(bands[:, :1], lead, axis=0) * np.linspace(-2, 2, 20)
    return bands, faces


def test_lips_predicted_from_sound(world):
    bands, faces = spoken_lips()
    sound = bursts(300, (20, 150))
    world.add("ours", "S/a", 300, points=faces, sound=sound, bands={"bands": bands})
    world.add("ours", "S/b", FRAMES, points=faces[:FRAMES], sound=sound, bands={"bands": bands[:FRAMES]})
    names = ("sync_lin", "sync_lin_offset", "sync_lin_conf", "sync_lin_chance")
    table = world.run(*names, reference=False)
    values = table[table["clip"] == "S/a"].set_index("metric")["value"]
    expected = linear_sync.linear_sync(linear_sync.with_context(bands), linear_sync.upright_lips(faces))
    assert values["sync_lin"] == pytest.approx(expected.best)
    assert values["sync_lin"] > 0.8
    assert values["sync_lin_chance"] < 0.4
    assert abs(values["sync_lin_offset"] - 4) <= 3  # the context lets it lie so far off
    assert values["sync_lin_conf"] == pytest.approx(expected.confidence)
    short = table[table["clip"] == "S/b"]
    assert set(short["status"]) == {"undefined"}
    assert "needs 250" in short["reason"].iloc[0]


def test_opening_loudness_and_their_chance(world):
    sound = bursts(100, (20, 45, 80))
    loud = np.zeros(100)
    for at in (20, 45, 80):
        loud[at : at + 5] = 1
    faces = np.repeat(rest()[None], 100, axis=0)
    faces[:, 66, 1] += 10 * loud
    world.add("ours", "S/a", 100, points=faces, sound=sound)
    rows = world.rows("sync_corr", "sync_corr_chance", reference=False)
    assert rows["sync_corr"].value > 0.95
    opening = sync.lip_opening(faces)
    assert rows["sync_corr_chance"].value == pytest.approx(sync.opening_chance(opening, loud), abs=0.05)


def test_drift_of_stored_series(world, rng):
    """Embeddings turn away from the speaker's from frame to frame; LPIPS grows with the frame's number."""
    angle = np.linspace(0, math.pi / 2, FRAMES)
    embeddings = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    world.add(
        "ours",
        "S/a",
        FRAMES,
        identity={"embeddings": embeddings},
        lpips_alex=np.arange(FRAMES)[:, None].repeat(FRAMES, 1),
        lpips_vgg=np.arange(FRAMES)[:, None].repeat(FRAMES, 1),
    )
    world.add("reference", "S/a", FRAMES, identity={"embeddings": embeddings[:1]})
    rows = world.rows("f_sim_drift", "lpips_alex_drift", "lpips_vgg_drift", "psnr_drift")
    similarity = np.cos(angle)
    assert rows["f_sim_drift"].value == pytest.approx(similarity[-15:].mean() - similarity[:15].mean())
    assert rows["lpips_alex_drift"].value == pytest.approx(45)
    assert rows["lpips_vgg_drift"].value == pytest.approx(45)
    assert rows["psnr_drift"].value == pytest.approx(0.0, abs=1e-9)
    assert "short_for_drift" in rows["f_sim_drift"].flags
    world.pair("S/b", 39)
    record = world.clips("psnr_drift").loc["S/b"]
    assert (record["status"], record["reason"]) == ("undefined", "39 frames; needs 40")


def test_sharpness_drift(world):
    with_faces(world, "S/a", moving(), moving())
    assert world.rows("cpbd_drift")["cpbd_drift"].value == pytest.approx(0.0, abs=1e-9)


def test_colour_and_flicker(world):
    colour = np.tile([60.0, 10.0, 10.0], (FRAMES, 1))
    colour[30:] = (60, 13, 14)
    changes = np.r_[math.nan, np.full(FRAMES - 1, 2.0)]
    ours = {"colour": colour, "background_change": changes, "change": changes}
    real = {"colour": colour, "background_change": changes * 2, "change": changes}
    with_faces(world, "S/a", moving(), moving(), appearance=ours)
    world.answers["appearance"][2] = real
    rows = world.rows("color_drift", "bg_flicker", "bg_flicker_gap", "vb_flicker")
    assert rows["color_drift"].value == pytest.approx(5.0)
    assert (rows["bg_flicker"].value, rows["bg_flicker_gap"].value) == (2.0, 2.0)
    assert rows["vb_flicker"].value == pytest.approx(0.992157, abs=1e-6)


def context(sound, frames=FRAMES, landmarks=None):
    return ClipContext(frames, 200, 200, landmarks, sound, {})


def test_appearance_of_frames():
    """A face of one colour on a background that changes by 3 grey levels; the box hides what moves inside."""
    faces = np.repeat(rest()[None], FRAMES, axis=0)
    seen = plain_extractors.Appearance(context(None, landmarks=faces))
    for index in range(FRAMES):
        frame = np.full((200, 200, 3), 100 + 3 * (index % 2), np.uint8)
        frame[60:141, 60:141] = (200, 160, 140) if index < 30 else (210, 160, 120)
        seen.add(index, frame)
    arrays = seen.finish()
    assert arrays["background_change"][1:] == pytest.approx(3.0)
    assert math.isnan(arrays["background_change"][0])
    assert np.isfinite(arrays["colour"]).all(axis=1).nonzero()[0].tolist() == [*range(25), *range(35, 60)]
    assert np.linalg.norm(arrays["colour"][-1] - arrays["colour"][0]) == pytest.approx(12.0809, abs=1e-4)


def test_silence_by_loudness_stands_in_under_its_own_key(monkeypatch):
    from gmbench.evaluation.scoring.registry import metrics
    from tests.evaluation.helpers import protocol

    monkeypatch.setattr(plain_extractors.voice, "installed_version", lambda: "")
    feature = plain_extractors.speech(protocol())
    assert feature.fallback == "rms40"
    heard = feature.begin(context(bursts(FRAMES, (10, 40)))).finish()["speech"]
    assert np.flatnonzero(heard).tolist() == [*range(10, 15), *range(40, 45)]
    metric = metrics()["silent_mad"]
    assert str(metric.key("mediapipe", protocol())) == "silent_mad_fb:mediapipe-rms40"
    assert str(metric.key("dlib", protocol())) == "silent_mad_fb:rms40"
    monkeypatch.setattr(plain_extractors.voice, "installed_version", lambda: "6.2.3")
    assert str(metric.key("mediapipe", protocol())) == "silent_mad_fb:mediapipe"
    assert plain_extractors.speech(protocol()).options == "6.2.3"


def test_bands_of_a_sound():
    tone = (9000 * np.sin(2 * np.pi * 1000 * np.arange(640 * 10) / 16000)).astype(np.int16)
    sound = np.concatenate([tone, np.zeros(640 * 10, np.int16)])
    arrays = plain_extractors.bands(None).begin(context(sound)).finish()
    assert arrays["bands"].shape == (20, 20)
    assert arrays["bands"][:9].argmax(axis=1).tolist() == [int(arrays["bands"][0].argmax())] * 9
    assert arrays["bands"][12:] == pytest.approx(math.log(1e-8))
    louder = spectra.frame_bands((tone // 3).astype(np.int16))
    assert arrays["bands"][2].max() - louder[2].max() == pytest.approx(2 * math.log(3), abs=0.01)
    assert arrays["loudness"][1:8] == pytest.approx(9000 / 32768 / math.sqrt(2), rel=1e-3)
    assert arrays["loudness"] == pytest.approx(librosa.feature.rms(
        y=sound / 32768, frame_length=800, hop_length=800)[0], abs=1e-6)  # fmt: skip


def test_stretches_of_speech_cover_the_frames_that_they_touch(monkeypatch):
    stretches = [{"start": 3 * 640 + 5, "end": 7 * 640}, {"start": 23 * 640, "end": 25 * 640}]
    monkeypatch.setattr(speech, "_network", lambda: (None, lambda *given, **settings: stretches))
    found = speech.speech_frames(np.zeros(16000, np.int16))
    assert np.flatnonzero(found).tolist() == [3, 4, 5, 6, 7, 23, 24]
    assert len(found) == 25


def test_speech_by_the_network():
    pytest.importorskip("silero_vad")
    assert speech.speech_frames(np.zeros(16000, np.int16)).tolist() == [False] * 25


def test_every_metric_of_motion_and_timing_has_a_test_here():
    import inspect
    import sys

    source = inspect.getsource(sys.modules[__name__])
    spelled = [name for name in (*motion_metrics(), *timing_metrics()) if name != "face_q_drift"]
    assert [m for m in spelled if f'"{m}"' not in source and f'"{m.removesuffix("_gap")}"' not in source] == []
