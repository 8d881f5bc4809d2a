import numpy as np
import pytest

from gmbench.metrics import theval

NAMES = ("aesthetic", "mouth_q", "face_q", "lip_dyn_th", "head_dyn_th", "brow_dyn_th", "silent_mad_th", "lip_rms_mae")


def test_golden_of_the_score():
    parts = dict(zip(NAMES, [(p, 1.0) for p in (0.8, 0.5, 1, 0.5, 1, 0.5, 1, 0)], strict=True))
    assert theval.final_score(parts) == pytest.approx(0.6625)
    raw = dict(zip(NAMES, (4.5, 20, 0.40, 1.2, 9, 0.005, 0.02, 0.26), strict=True))
    assert theval.final_score({name: (raw[name], theval.REAL[name]) for name in NAMES}) == pytest.approx(
        0.794987, abs=1e-6
    )
    assert theval.final_score({"x": (2.0, 2.0)}) == 1.0
    assert theval.clip_score(np.array([3.0, 1.0]), np.array([1.0, 3.0])) == pytest.approx(-0.333333, abs=1e-6)
    assert np.isnan(theval.part_score(1.0, 0.0))


def test_golden_of_lips_and_loudness():
    assert theval.scaled_difference(np.array([1.0, 2, 3, 2]), np.array([0.0, 1, 2, 3])) == pytest.approx(0.25, abs=1e-6)
    assert np.isnan(theval.scaled_difference(np.ones(4), np.arange(4.0)))
    assert np.isnan(theval.scaled_difference(np.arange(4.0), np.ones(4)))


def test_amplitude_and_gain_make_no_difference(rng):
    """Its fault, for which it is never called synchronisation."""
    opening, loudness = rng.uniform(size=(2, 50))
    whole = theval.scaled_difference(opening, loudness)
    assert theval.scaled_difference(0.1 * opening, 7 * loudness) == pytest.approx(whole, abs=1e-6)


def meshes(frames=30, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(50, 150, (len(theval.STORED), 2)) + np.cumsum(
        rng.normal(0, 1, (frames, len(theval.STORED), 2)), 0
    )


def whole(mesh):
    """(T, 478, 2) with the stored points at their FaceMesh numbers."""
    result = np.full((len(mesh), 478, 2), np.nan)
    result[:, list(theval.STORED)] = mesh
    return result


def test_stored_points_are_distinct_and_found_by_their_numbers():
    assert len(set(theval.STORED)) == len(theval.STORED) == 102
    assert len(set(theval.LIPS)) == 40
    mesh = meshes()
    assert np.array_equal(theval.picked(mesh, (33, 263, 468)), whole(mesh)[:, [33, 263, 468]])


def test_as_the_code_of_theval_computes_it():
    """Written out from its files, point by point; no frame lacks a face."""
    height, width = 300, 400
    mesh = meshes()
    full = whole(mesh) / [width, height]  # its landmarks are shares of the frame
    small = full * 256

    lips = sorted(theval.LIPS)
    spreads = [
        np.std([np.hypot(*(frame[a] - frame[b])) for frame in small]) for n, a in enumerate(lips) for b in lips[n + 1 :]
    ]
    assert theval.lip_dynamics(mesh, height, width) == pytest.approx(np.mean(spreads), abs=1e-6)

    changes, before = [], None
    for frame in full * [width, height]:
        eyes = [frame[list(eye)].mean(axis=0) for eye in (theval.LEFT_EYE, theval.RIGHT_EYE)]
        scale = np.linalg.norm(eyes[0] - eyes[1])
        brows = [frame[list(brow)].mean(axis=0) for brow in (theval.LEFT_BROW, theval.RIGHT_BROW)]
        now = [np.linalg.norm(brow - eye) / scale for brow, eye in zip(brows, eyes, strict=True)]
        changes += [abs(a - b) for a, b in zip(now, before or [], strict=False)]
        before = now
    assert theval.brow_dynamics(mesh) == pytest.approx(np.mean(changes), abs=1e-6)

    silent = [
        np.mean([abs(f[u][1] - f[d][1]) for u, d in zip(theval.INNER_UPPER, theval.INNER_LOWER, strict=True)])
        / np.linalg.norm(f[33] - f[263])
        for f in small
    ]
    assert theval.silent_opening(mesh, height, width) == pytest.approx(np.array(silent), abs=1e-6)

    spoken = [
        abs(np.mean([f[u][1] for u in theval.INNER_UPPER]) - np.mean([f[d][1] for d in theval.INNER_LOWER]))
        / abs(np.mean([f[362][0], f[263][0]]) - np.mean([f[33][0], f[133][0]]))
        for f in full
    ]
    assert theval.spoken_opening(mesh, height, width) == pytest.approx(np.array(spoken), abs=1e-6)


def test_size_of_the_face_and_resolution():
    mesh = meshes()
    assert theval.lip_dynamics(2 * mesh, 600, 800) == pytest.approx(theval.lip_dynamics(mesh, 300, 400))
    assert theval.lip_dynamics(2 * mesh, 300, 400) == pytest.approx(2 * theval.lip_dynamics(mesh, 300, 400))
    assert theval.brow_dynamics(2 * mesh) == pytest.approx(theval.brow_dynamics(mesh))


def test_a_still_face_has_none_and_a_lost_one_no_step():
    mesh = np.repeat(meshes(1), 10, axis=0)
    assert theval.lip_dynamics(mesh, 200, 200) == 0.0
    assert theval.brow_dynamics(mesh) == 0.0
    torn = meshes(3)
    torn[1] = np.nan
    assert np.isnan(theval.brow_dynamics(torn))


def test_loudness_at_the_times_of_frames():
    assert theval.loudness_of_frames(np.array([0.0, 1.0, 2.0]), 4) == pytest.approx([0, 0.8, 1.6, 2.0])
