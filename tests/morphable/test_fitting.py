from dataclasses import replace

import numpy as np
import pytest
import torch

from gmbench.corpus.drawing import draw
from gmbench.corpus.takes import CorpusSettings, draw_content, draw_tracks, takes
from gmbench.errors import InputError
from gmbench.executor import one_thread
from gmbench.morphable import fitting
from gmbench.morphable.camera import project
from gmbench.morphable.derivatives import ProjectedVertices
from gmbench.morphable.energy import EXP, UNKNOWNS, EnergyWeights, LandmarkEnergy
from gmbench.morphable.landmarks_478 import SPARSE
from gmbench.morphable.model import place
from gmbench.morphable.photometric import AdamFitter, Phases, State
from gmbench.morphable.refinement import Refiner
from gmbench.morphable.render import Renderer
from gmbench.morphable.synthetic.model import synthetic_model

SIDE = 256
FOR_EXACT_LANDMARKS = EnergyWeights(1e3, 3e-4, 3e-5, 3e-3, 1e-5)
"""The synthetic model's own weights are for landmarks of a network, which are off."""
SETTINGS = CorpusSettings(speakers=2, levels=(3,), sentences=1, frames=50)


@pytest.fixture(scope="module")
def model():
    return synthetic_model()


@pytest.fixture(scope="module")
def clips(model):
    """One speaker's clips of the corpus: shape, and (full, rho, landmarks at 256) of each, the neutral one first."""
    chosen = [take for take in takes(SETTINGS) if take.speaker == 0]
    chosen.sort(key=lambda take: take.emotion != "neutral")
    result = []
    for take in chosen:
        tracks = draw_tracks(model, SETTINGS, take)
        shape, performed = tracks.performer.shape, tracks.performance
        landmarks = model.landmark_points(shape, performed.full, performed.rho, SIDE)
        result.append((performed.full, performed.rho, landmarks))
    return shape, result


def test_the_jacobian_matches_differences(model):
    generator = np.random.default_rng(0)
    energy = LandmarkEnergy(model, SIDE, SPARSE)
    person = energy.identity(generator.normal(0, 0.5, 150))
    state, target = generator.normal(0, 0.1, UNKNOWNS), generator.uniform(0, SIDE, (len(SPARSE), 2))
    _, jacobian, _ = energy.residuals(state, person, target)
    for column in (0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 24, 25, 100):
        step = np.zeros(UNKNOWNS)
        step[column] = 1e-6
        ahead, _, _ = energy.residuals(state + step, person, target)
        behind, _, _ = energy.residuals(state - step, person, target)
        assert np.allclose(jacobian[:, column], (ahead - behind) / 2e-6, atol=1e-6)


@pytest.mark.parametrize(("noise", "pixels", "degrees"), [(0.0, 0.5, 0.5), (1.0, 1.5, 1.5)])
def test_corpus_clips_are_recovered(model, clips, noise, pixels, degrees):
    """Identity from 30 frames of six clips, then every clip; figures are means over clips, frames and axes."""
    _, found = clips
    generator = np.random.default_rng(1)
    energy = LandmarkEnergy(model, SIDE, None, None if noise else FOR_EXACT_LANDMARKS)
    observed = [landmarks + noise * generator.normal(size=landmarks.shape) for _, _, landmarks in found]
    with one_thread():
        shape = fitting.fit_identity(energy, np.concatenate([landmarks[::10] for landmarks in observed[:6]]))
        tracks = [fitting.fit_track(energy, shape, landmarks) for landmarks in observed]
    clean = [
        np.sqrt(
            ((model.landmark_points(shape, model.join(t.beta, t.rho[:, 10:]), t.rho, SIDE) - o) ** 2).sum(-1).mean()
        )
        for t, o in zip(tracks, observed, strict=True)
    ]
    turned = [
        np.degrees(np.abs(t.rho[:, :3] - rho[:, :3])).mean() for t, (_, rho, _) in zip(tracks, found, strict=True)
    ]
    lids = [np.abs(t.rho[:, 10:] - rho[:, 10:]).mean() for t, (_, rho, _) in zip(tracks, found, strict=True)]
    gaze = [
        np.degrees(np.abs(t.rho[:, 6:10] - rho[:, 6:10])).mean() for t, (_, rho, _) in zip(tracks, found, strict=True)
    ]
    assert np.mean(clean) < pixels
    assert np.mean(turned) < degrees
    if noise == 0.0:
        assert np.mean(lids) < 0.05
        assert np.mean(gaze) < 2.0


def test_a_frame_is_fitted_in_few_evaluations_since_it_starts_from_the_last(model, clips, monkeypatch):
    shape, found = clips
    energy, calls = LandmarkEnergy(model, SIDE, SPARSE), []
    original = energy.residuals
    monkeypatch.setattr(energy, "residuals", lambda *given, **named: calls.append(1) or original(*given, **named))
    with one_thread():
        fitting.fit_track(energy, shape, found[1][2])
        together = len(calls) / len(found[1][2])
        calls.clear()
        for landmarks in found[1][2][::10]:
            fitting.fit_track(energy, shape, landmarks[None])
    alone = len(calls) / len(found[1][2][::10])
    assert together <= 9
    assert together < alone / 2


def test_gaps_are_bridged_or_split(model, clips):
    shape, found = clips
    landmarks = found[1][2].copy()
    landmarks[10:14] = np.nan
    landmarks[20:28] = np.nan
    landmarks[-2:] = np.nan
    track = fitting.fit_track(LandmarkEnergy(model, SIDE, SPARSE), shape, landmarks)
    assert not track.valid[10:14].any()
    assert (track.segment[:20] == 0).all()
    assert (track.segment[20:28] == -1).all()
    assert (track.segment[28:48] == 1).all()
    assert (track.segment[48:] == -1).all()
    assert np.isfinite(track.beta).all()
    assert np.isnan(track.lm_rmse[11])
    middle = track.rho[9] + (track.rho[14] - track.rho[9]) * 3 / 5
    assert np.allclose(track.rho[12], middle, atol=1e-5)


def test_smoothing_stays_inside_segments():
    values = np.array([[0.0], [3.0], [0.0], [9.0], [9.0], [9.0]])
    smooth = fitting.smooth_track(values, np.array([0, 0, 0, 1, 1, 1]))
    assert np.allclose(smooth[:, 0], [1, 1, 1, 9, 9, 9])


def test_no_face_at_all_is_said(model):
    energy = LandmarkEnergy(model, SIDE)
    with pytest.raises(InputError, match="no frame with a face"):
        fitting.fit_identity(energy, np.full((3, 478, 2), np.nan))
    track = fitting.fit_track(energy, np.zeros(150), np.full((4, 478, 2), np.nan))
    assert not track.valid.any()
    assert (track.segment == -1).all()


@pytest.mark.slow
def test_adam_and_levenberg_marquardt_reach_the_same_energy(model, clips):
    """With FaceVerse's weights, from the same identity: within 2 %."""
    shape, found = clips
    target, weights = found[2][2][10], EnergyWeights()
    energy = LandmarkEnergy(model, SIDE, None, weights)
    person = energy.identity(shape)
    state = fitting.fit_frame(energy, fitting.rigid_start(energy, person, target), shape, target, None, 60, person)
    best = energy.value(state, shape, person, target, None)
    start = State(shape=torch.from_numpy(shape).float())
    adam = AdamFitter(model, SIDE, weights)
    adam._place(start, target)
    points = torch.from_numpy(target).float()
    names = ["rotation", "translation", "gaze", "expression"]
    for rate in (1e-2, 2e-3):
        adam._minimise(start, names, (800, rate, (0.8, 0.95)), lambda s: adam.landmark_energy(s, points, None))
    reached = adam.landmark_energy(start, points, None).item()
    assert reached == pytest.approx(best, rel=0.02)


def test_colours_pull_the_photometric_fit_towards_the_picture(model):
    generator = np.random.default_rng(3)
    shape, texture = generator.normal(0, 0.5, 150), generator.normal(0, 0.5, 251)
    full, rho = np.zeros((2, 171)), np.zeros((2, 12))
    full[:, 0], full[1, [14, 15]] = 0.4, 0.6
    rho[:, 1], rho[:, 5], rho[1, 10:] = 0.2, -1.5, 0.6
    frames = np.stack(list(Renderer(model, shape, texture, 64).frames(full, rho)))
    landmarks = model.landmark_points(shape, full, rho, 64)
    phases = Phases((150, 1e-2, (0.8, 0.95)), (80, 1e-2, (0.5, 0.9)), (40, 2e-2, (0.5, 0.9)), (10, 1e-3, (0.5, 0.9)))
    fitter = AdamFitter(model, 64, phases=phases)
    first, second = fitter.fit(frames, landmarks)
    picture = torch.from_numpy(frames[0]).float()
    bare = State(rotation=first.rotation, translation=first.translation, shape=first.shape, expression=first.expression)
    assert float(fitter.photo(first, picture)) < 0.6 * float(fitter.photo(bare, picture))
    assert second.expression[[14, 15]].min() > 0.3
    assert abs(float(first.rotation[1]) - 0.2) < 0.05


def noisy_clip(model, frames):
    """Pictures of 96 pixels, landmarks that are off by a pixel, and what was drawn; frame 3 shows no face."""
    settings = CorpusSettings(size=96)
    content = draw_content(model, settings, takes(settings)[0])
    drawn = replace(content.performance, full=content.performance.full[:frames], rho=content.performance.rho[:frames])
    look = replace(content.look, light=content.look.light[:frames])
    pictures = np.stack([
        frame.image for frame in draw(model, content.performer, drawn, look, content.generator)
    ])  # fmt: skip
    landmarks = model.landmark_points(content.performer.shape, drawn.full, drawn.rho, 96)
    landmarks += np.random.default_rng(0).normal(0, 1.0, landmarks.shape)
    landmarks[3] = np.nan
    return pictures, landmarks, content, drawn


@pytest.fixture(scope="module")
def refined(model):
    """A clip of six frames whose landmarks are off by a pixel: pictures, what was drawn, refiner, fits, lights."""
    pictures, landmarks, content, drawn = noisy_clip(model, 6)
    shape, texture = content.performer.shape, content.performer.texture
    energy = LandmarkEnergy(model, 96, SPARSE)
    track = fitting.fit_track(energy, shape, landmarks)
    light = content.look.light[:6].reshape(6, 27)
    refiner = Refiner(energy, shape, texture, torch.device("cpu"))
    moved, lights = refiner.track(pictures, landmarks, track, light)
    return pictures, drawn, refiner, (track, light), (moved, lights)


def test_pictures_correct_a_fit_of_noisy_landmarks(refined, model):
    _, drawn, _, (track, _), (moved, lights) = refined
    beta, _ = model.split(drawn.full)

    def off(fitted):
        turned = np.abs(fitted.rho[:, :3] - drawn.rho[:, :3])[track.valid].mean()
        return turned, np.sqrt(((fitted.beta - beta)[track.valid, :30] ** 2).mean())

    assert off(moved)[0] < 0.85 * off(track)[0]
    assert off(moved)[1] < 0.95 * off(track)[1]
    assert moved.beta.shape == (6, 169)
    assert lights.shape == (6, 27)


def test_refinement_lowers_the_difference_from_the_pictures(refined):
    pictures, _, refiner, before, after = refined
    assert refiner.errors(pictures, *after)[refined[3][0].valid].mean() < (
        0.95 * refiner.errors(pictures, *before)[refined[3][0].valid].mean()
    )


def test_derivatives_of_projected_vertices_are_those_of_finite_differences(model):
    generator = np.random.default_rng(4)
    vertices = np.r_[model.landmarks[[1, 61, 386]], model.vertex_ends[0] + 3, model.vertex_ends[1] + 3]
    points = ProjectedVertices(model, vertices, 96, torch.device("cpu"))
    unknowns = torch.from_numpy(generator.normal(0, 0.1, (2, UNKNOWNS))).float()
    shape = torch.from_numpy(generator.normal(0, 0.5, 150)).float()
    pixels, derivatives, by_head = points(unknowns, shape)
    state = unknowns.double().numpy()
    rho = np.concatenate([state[:, :10], np.zeros((2, 2))], axis=1)
    rows = model.rows(vertices)
    placed = place(rows.posed(model.identity(shape.numpy()), state[:, EXP], rho, model), rho)
    assert np.allclose(pixels.numpy(), project(placed, 96)[0], atol=2e-3)
    for column in (0, 1, 2, 4, 5, 6, 9, EXP.start, EXP.start + 14, EXP.start + 100):
        step = torch.zeros(UNKNOWNS)
        step[column] = 1e-2
        difference = (points(unknowns + step, shape)[0] - points(unknowns - step, shape)[0]) / 2e-2
        assert torch.allclose(derivatives[..., column], difference, atol=0.05), column
    for column in (0, 40):
        step = torch.zeros(150)
        step[column] = 1e-1
        difference = (points(unknowns, shape + step)[0] - points(unknowns, shape - step)[0])[:, :3] / 2e-1
        assert torch.allclose((by_head @ points.shape)[:, :3, :, column], difference, atol=0.05), column


def test_smoothing_keeps_lips_lids_and_gaze(model):
    columns = fitting.smoothed_columns(model)
    names = model.names["expression"]
    for name in ("jaw_open", "pucker", "upper_lip_up", "lower_lip_down", "lips_press", "blink_left", "funnel"):
        assert not columns[EXP.start + names.index(name)], name
    for name in ("brow_inner_up", "cheek_raise_left", "brow_lower_right"):
        assert columns[EXP.start + names.index(name)], name
    assert columns[:6].all()
    assert not columns[6:10].any()
    values = np.zeros((9, UNKNOWNS))
    values[4] = 1.0
    smooth = fitting.smooth_track(values, np.zeros(9, int), columns)
    assert (smooth[4, ~columns] == 1).all()
    assert np.allclose(smooth[3:6, columns], 1 / 3)
