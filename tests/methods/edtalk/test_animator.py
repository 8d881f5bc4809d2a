"""EDTalk's animator: spaces, enhancement, switched mouths, losses, frozen parts."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from gmbench.errors import InputError, WeightsError
from gmbench.methods.edtalk.animator import Animator, Enhancement
from gmbench.methods.edtalk.backbone_training import SPACE, check_gate, landmark_losses, load_backbone, train_backbone
from gmbench.methods.edtalk.decouple_training import (
    _check_spread,
    directions,
    feature_loss,
    load_decoupled,
    started,
    train_decouple,
)
from gmbench.methods.edtalk.drivers import to_and_fro, window_mean
from gmbench.methods.edtalk.expression_training import load_whole, train_expression, with_expression
from gmbench.methods.edtalk.frames import MOUTH, TrainingFrames
from gmbench.methods.edtalk.mouths import crop_boxes, switch_mouth
from gmbench.methods.edtalk.settings import Spaces
from gmbench.methods.edtalk.teacher_training import face_labels, train_teachers
from gmbench.methods.edtalk.teachers import load_teachers
from gmbench.morphable.landmarks_478 import MOUTH_LOWER, MOUTH_UPPER
from gmbench.nn.pictures import to_signed
from tests.methods.edtalk.made import SIDE, SMALL, made_mels, made_motion, made_people


def _digests(network, names):
    parts = {name: part for name, part in network.state_dict().items() if name.startswith(names)}
    return {name: hashlib.sha256(part.numpy().tobytes()).hexdigest() for name, part in parts.items()}


def test_an_animator_draws_pictures_of_its_side():
    network = Animator(SMALL.backbone, {"mouth": 20, "pose": 6})
    pictures = torch.rand(3, 3, SIDE, SIDE)
    encoded = network.encoder(pictures)
    assert [part.shape[-1] for part in encoded.features] == [8, 16]
    drawn = network.draw(encoded, network.weights(pictures))
    assert drawn.pictures.shape == (3, 3, SIDE, SIDE)
    assert [flow.shape[-1] for flow in drawn.flows] == [8, 16]
    drawn.pictures.square().mean().backward()
    unused = {name for name, p in network.named_parameters() if p.grad is None}
    assert unused == set()


@pytest.mark.parametrize(("bank", "sizes"), [("orthonormal", [20, 6]), ("scaled", [20, 6]), ("none", [40, 40])])
def test_every_bank_gives_what_is_added_to_the_latent(bank, sizes):
    network = Animator(SMALL.backbone, {"mouth": 20, "pose": 6}, bank)
    weights = network.spaces.weights(torch.randn(2, 40))
    assert [part.shape[1] for part in weights.values()] == sizes
    assert all(part.shape == (2, 40) for part in network.spaces.features(weights).values())


@pytest.mark.parametrize("activated", [False, True])
def test_the_trunk_is_one_linear_map_unless_it_is_told_otherwise(activated):
    network = Animator(SMALL.backbone.model_copy(update={"trunk_act": activated}), {"mouth": 4})
    a, b = torch.randn(2, 1, 40)
    shared = network.spaces.shared
    linear = torch.allclose(shared(a + b) + shared(0 * a), shared(a) + shared(b), atol=1e-4)
    assert linear != activated


def test_enhancement_begins_as_the_identity():
    x, expression = torch.randn(2, 5, 8, 8), torch.randn(2, 40)
    block = Enhancement(5, 40, "residual")
    assert torch.equal(block(x, expression), x)
    block(x, expression).square().mean().backward()
    assert float(block.factor.grad.abs()) > 0
    literal = Enhancement(5, 40, "literal")
    literal.style[-1].weight.data.zero_()
    literal.style[-1].bias.data.copy_(torch.cat([2 * torch.ones(5), 3 * torch.ones(5)]))
    found = literal(x, expression)
    torch.testing.assert_close(found.mean((2, 3)), torch.full((2, 5), 3.0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.std((2, 3), unbiased=False), torch.full((2, 5), 2.0), atol=1e-3, rtol=1e-3)


class TestStart:
    def test_the_divided_space_does_what_the_backbones_did(self, trained):
        backbone = load_backbone(trained[0] / "backbone.safetensors")
        frames = TrainingFrames(made_people(), SIDE)
        network = started(backbone, frames, range(6), SMALL.decouple, SMALL.spaces)
        weights = backbone.weights(frames.pictures(np.arange(4)))
        before = backbone.spaces.features(weights)[SPACE]
        own = network.spaces.weights(backbone.encoder(frames.pictures(np.arange(4))).latents)
        own["mouth"][:, 6:] = 0  # what is new beyond the twelve bases of the backbone
        after = network.spaces.features(own)
        torch.testing.assert_close(after["mouth"] + after["pose"], before, atol=1e-4, rtol=1e-3)
        moved = {name: float(part.var(0).sum()) for name, part in after.items()}
        assert moved["pose"] > moved["mouth"]

    def test_a_frozen_backbone_stays(self, trained, tmp_path):
        settings = SMALL.decouple.model_copy(update={"train_backbone": False})
        path = trained[0] / "backbone.safetensors"
        content, report = train_decouple(made_people(side=32), path, settings, SMALL.spaces, 0)
        (tmp_path / "decouple.safetensors").write_bytes(content)
        names = ("encoder", "generator", "spaces.trunk")
        after = _digests(load_decoupled(tmp_path / "decouple.safetensors"), names)
        assert after == _digests(load_backbone(path), names)
        assert report.frozen_parameters > 0


class TestStages:
    def test_losses_of_every_training_are_logged(self, trained):
        logged = {name: set().union(*report.log) for name, report in trained[1].items()}
        assert {"l1", "per", "adv", "d", "landmarks", "flow"} <= logged["backbone"]
        assert {"l1", "per", "adv", "d", "fea"} <= logged["decouple"]
        assert {"coefficients", "emotion", "sync"} <= logged["teachers"]
        assert {"l1", "per", "adv", "mot", "mc"} <= logged["expression"]
        assert {"fea", "velocity", "rec", "mouth", "sync"} <= logged["lips"]
        assert {"mle", "rec", "tem"} <= logged["posemotion"]

    def test_expressions_leave_everything_else_as_it_was(self, trained):
        decoupled = load_decoupled(trained[0] / "decouple.safetensors")
        whole = load_whole(trained[0] / "expression.safetensors")
        names = tuple(decoupled.state_dict())
        assert _digests(whole.network, names) == _digests(decoupled, names)
        pictures = to_signed(torch.from_numpy(made_people().frames[:3]))
        with torch.inference_mode():
            weights = decoupled.weights(pictures)
            found = whole.network.weights(pictures)
            drawn = [net.draw(net.encoder(pictures), weights).pictures for net in (decoupled, whole.network)]
        for name in ("mouth", "pose"):
            torch.testing.assert_close(found[name], weights[name])
        torch.testing.assert_close(*drawn, atol=1e-5, rtol=0)
        bases = torch.cat(whole.network.spaces.banks(), 1)
        assert float((bases.T @ bases - torch.eye(36)).abs().max()) < 1e-5
        first = torch.cat(decoupled.spaces.banks(), 1)
        assert float((bases[:, :26] - first).abs().max()) < 1e-6

    def test_only_the_expressions_parts_can_be_trained(self, trained):
        decoupled = load_decoupled(trained[0] / "decouple.safetensors")
        face = load_teachers(trained[0] / "teachers.safetensors").face
        network = with_expression(decoupled, SMALL.expression, SMALL.spaces, face)
        free = {name for name, p in network.named_parameters() if p.requires_grad}
        own = ("enhancement", "spaces.heads.expression", "spaces.banks.raw.2", "sight.latent")
        assert all(any(name.startswith(part) for name in free) for part in own)
        assert all(name.startswith(own) for name in free)

    @pytest.mark.parametrize("bank", ["orthonormal", "scaled", "none"])
    @pytest.mark.parametrize("eem", ["residual", "none"])
    def test_expressions_add_nothing_at_first(self, trained, tmp_path, bank, eem):
        spaces = SMALL.spaces.model_copy(update={"bank": bank})
        backbone = trained[0] / "backbone.safetensors"
        settings = SMALL.decouple.model_copy(update={"train": SMALL.decouple.train.model_copy(update={"steps": 1})})
        content, _ = train_decouple(made_people(side=32), backbone, settings, spaces, 0)
        (tmp_path / "decouple.safetensors").write_bytes(content)
        decoupled = load_decoupled(tmp_path / "decouple.safetensors")
        face = load_teachers(trained[0] / "teachers.safetensors").face
        network = with_expression(decoupled, SMALL.expression.model_copy(update={"eem": eem}), spaces, face)
        pictures = to_signed(torch.from_numpy(made_people().frames[:3]))
        drawn = [net.draw(net.encoder(pictures), net.weights(pictures)).pictures for net in (decoupled, network)]
        torch.testing.assert_close(*drawn, atol=1e-5, rtol=0)

    def test_a_teacher_without_emotions_is_not_read(self, trained, tmp_path):
        people = made_people()
        labels = face_labels(frames := TrainingFrames(people, SIDE), made_motion(people))
        labels = replace(labels, names=("happy",), emotions=np.zeros_like(labels.emotions))
        content, _ = train_teachers(frames, labels, made_mels(people), SMALL.teachers, 0)
        (path := tmp_path / "teachers.safetensors").write_bytes(content)
        decouple = trained[0] / "decouple.safetensors"
        with pytest.raises(InputError, match=r"reads is teacher, but .* fewer than two emotions; set it to latent"):
            train_expression(people, decouple, path, SMALL.expression, SMALL.spaces, 0)

    def test_expressions_are_read_from_the_latent_or_what_the_teacher_sees(self, trained):
        pictures = to_signed(torch.from_numpy(made_people().frames[:3]))
        latent = SMALL.expression.model_copy(update={"reads": "latent"})
        (folder, _), found = trained, {}
        for settings in (SMALL.expression, latent):
            files = (folder / "decouple.safetensors", folder / "teachers.safetensors")
            content, _ = train_expression(made_people(), *files, settings, SMALL.spaces, 0)
            (path := folder / f"{settings.reads}.safetensors").write_bytes(content)
            network = load_whole(path).network
            for scale in (1.0, 0.0):
                if network.sight is not None:
                    network.sight.latent.weight.data *= scale
                found[settings.reads, scale] = network.weights(pictures, ("expression",))["expression"]
        assert torch.equal(found["latent", 1.0], found["latent", 0.0])
        assert not torch.allclose(found["teacher", 1.0], found["teacher", 0.0])

    def test_labels_have_stored_weights(self, trained):
        whole = load_whole(trained[0] / "expression.safetensors")
        assert whole.emotions == ("happy", "neutral", "sad")
        assert whole.labels.shape == (3, 10)
        assert not np.allclose(whole.labels[0], whole.labels[1])

    def test_a_resumed_training_gives_the_same_file(self, trained, tmp_path):
        import gmbench.nn.training as loop

        people, stop = made_people(), loop.TrainConfig

        settings = SMALL.backbone
        whole, _ = train_backbone(people, settings, 0, tmp_path / "a")
        saved = loop._Checkpoint.save
        assert stop(3).checkpoint_every == 60.0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop.TrainConfig, "checkpoint_every", 0.0, raising=False)
            patch.setattr(loop._LossLog, "write_row", _stop_after(loop._LossLog.write_row, 2))
            patch.setattr(loop._Checkpoint, "save", saved)
            patch.setattr(loop, "time", _Clock())
            with pytest.raises(KeyboardInterrupt):
                train_backbone(people, settings, 0, tmp_path / "b")
        assert (tmp_path / "b" / "checkpoint.pt").exists()
        again, _ = train_backbone(people, settings, 0, tmp_path / "b")
        assert whole == again

    def test_another_systems_file_is_named(self, trained, tmp_path):
        with pytest.raises(WeightsError, match="expected decouple of version 1, got backbone"):
            load_decoupled(trained[0] / "backbone.safetensors")


class _Clock:
    """Every look at it is two minutes later, so that a checkpoint is due at once."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        self.now += 120
        return self.now


def _stop_after(write, steps):
    def stopping(log, step, total, over_processes):
        write(log, step, total, over_processes)
        if step > steps:
            raise KeyboardInterrupt

    return stopping


def test_masks_cover_the_boxes_of_mouth_and_face():
    frames = TrainingFrames(made_people(side=64), 64)
    rows = np.array([0, 5])
    mouth, face = frames.mouth_masks(rows, 0.02), frames.face_masks(rows, 0.02)
    assert mouth.shape == face.shape == (2, 1, 64, 64)
    assert bool((mouth <= face).all())
    for mask, points in zip(face[:, 0], frames.points[rows], strict=True):
        left, top, right, bottom = *points.min(0), *points.max(0)
        assert float(mask.sum()) == pytest.approx((right - left + 2.56) * (bottom - top + 2.56), rel=0.1)


def test_the_gate_names_both_errors():
    frames = TrainingFrames(made_people(), SIDE)
    with pytest.raises(InputError, match=r"an error of \d\.\d{4}, the still source has \d\.\d{4}"):
        check_gate(Animator(SMALL.backbone, {SPACE: 12}), frames, [4, 5])
    assert check_gate(Animator(SMALL.backbone, {SPACE: 12}), frames, []) == {}


def test_a_collapsed_space_stops_the_training():
    _check_spread({"mouth": torch.randn(8, 20)}, 3)
    with pytest.raises(InputError, match="weights of the pose are the same for all pictures at step 7"):
        _check_spread({"mouth": torch.randn(8, 20), "pose": torch.ones(8, 6)}, 7)


def test_features_that_agree_reach_the_floor():
    a = torch.randn(5, 8)
    assert float(feature_loss([a] * 4, [a] * 4)) == pytest.approx(4 / np.e, abs=1e-5)
    assert float(feature_loss([a] * 4, [-a] * 4)) == pytest.approx(4 * np.e, abs=1e-4)


def test_landmark_losses_are_zero_where_the_flow_leads_from_target_to_source():
    network = Animator(SMALL.backbone, {"mouth": 4})
    pictures = torch.rand(2, 3, SIDE, SIDE)
    drawn = network.draw(network.encoder(pictures), network.weights(pictures))
    shift = torch.tensor([0.1, -0.2])
    flows = tuple(torch.zeros_like(flow) + shift[:, None, None] for flow in drawn.flows)
    target = 0.5 * torch.rand(2, 68, 2)
    own = torch.cat([target + shift, target])
    terms = landmark_losses(own.flatten(1), drawn._replace(flows=flows), own, target + shift, target)
    assert float(terms["landmarks"]) == 0
    assert float(terms["flow"]) < 1e-6


def test_the_lips_landmarks_can_count_more_than_the_others():
    people = made_people(2, frames=4)
    own = TrainingFrames(people, SIDE).places(np.arange(4))
    animator = Animator(SMALL.backbone, {SPACE: SMALL.backbone.bases})
    pictures = to_signed(torch.from_numpy(people.frames[:4]))
    drawn = animator.draw(animator.encoder(pictures), animator.weights(pictures))
    still = drawn._replace(flows=tuple(torch.zeros_like(flow) for flow in drawn.flows))
    source = own.clone()
    source[:, MOUTH] += 0.1
    for lips, expected in ((1.0, 0.1 * 20 / 68), (5.0, 0.1 * 100 / 148)):
        terms = landmark_losses(own.flatten(1), still, own, source, own, lips)
        assert float(terms["flow"]) == pytest.approx(expected, rel=1e-4)


def test_directions_of_the_mouth_are_those_that_switched_mouths_change():
    torch.manual_seed(0)
    weights = torch.randn(500, 3) * torch.tensor([1.0, 3.0, 0.5])
    switched = torch.randn(200, 3) * torch.tensor([0.1, 2.0, 0.1])
    principal, divided = directions(weights), directions(weights, switched)
    assert principal.abs().argmax(1).tolist() == [1, 0, 2]
    assert int(divided[-1].abs().argmax()) == 1  # what mouths change comes last, however much it varies
    assert int(divided[0].abs().argmax()) == 0
    torch.testing.assert_close(divided @ divided.T, torch.eye(3), atol=1e-5, rtol=0)


class TestMouths:
    def test_a_face_with_its_own_mouth_is_itself(self):
        people = made_people(side=64)
        frames = TrainingFrames(people, 64)
        picture, points = people.frames[0], frames.points[0]
        same, placed = switch_mouth(picture, points, picture, points, 2.0, 1.0)
        assert np.abs(same.astype(int) - picture).max() <= 1
        np.testing.assert_allclose(placed, points[MOUTH], atol=1e-3)

    def test_the_donors_mouth_comes_to_the_hosts_place_and_nothing_else_changes(self):
        people = made_people(side=64)
        points = TrainingFrames(people, 64).points
        host, donor = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 200, np.uint8)
        made, placed = switch_mouth(host, points[0], donor, points[30], 2.0, 1.0)
        np.testing.assert_allclose(placed.mean(axis=0), points[0][MOUTH].mean(axis=0), atol=1e-3)
        y, x = (int(value) for value in points[0][MOUTH].mean(axis=0)[::-1])
        assert made[y, x, 0] == 200
        assert not made[:20].any()
        assert not made[:, :8].any()

    def test_boxes_are_cropped_as_pixels(self):
        pictures = torch.arange(64.0).view(1, 1, 8, 8).expand(1, 3, 8, 8)
        crops = crop_boxes(pictures, torch.tensor([[2.0, 4.0, 6.0, 8.0]]), 4, 4)
        assert torch.allclose(crops[0, 0], pictures[0, 0, 4:8, 2:6])

    def test_masks_cover_the_mouth(self):
        frames = TrainingFrames(made_people(side=64), 64)
        mask = frames.mouth_masks(np.array([3]), 0.0)[0, 0]
        mouth = frames.points[3][MOUTH]
        width, height = mouth.max(axis=0) - mouth.min(axis=0)
        assert float(mask.sum()) == pytest.approx(width * height, rel=0.35)
        y, x = (int(value) for value in mouth.mean(axis=0)[::-1])
        assert mask[y, x] == 1


class TestFrames:
    def test_sources_are_the_persons_neutral_frames(self):
        frames = TrainingFrames(made_people(), SIDE)
        clips = frames.people.clips
        chosen = np.array([0, 1, 4, 5])
        for _ in range(3):
            rows = frames.draw_sources(chosen)
            found = [clips[n] for n in frames.people.clip_numbers()[rows]]
            assert [(c.emotion, c.speaker) for c in found] == [("neutral", f"p{n % 2}") for n in chosen]
        own = frames.people.clip_numbers()[frames.draw_sources(chosen, 0.0)]
        assert np.array_equal(own, chosen)

    def test_frames_without_a_face_are_never_drawn(self):
        people = made_people()
        people.landmarks[:11] = np.nan
        frames = TrainingFrames(people, SIDE)
        assert frames.of_clip[0].tolist() == [11]
        assert set(frames.draw_drivers([0], 5)[1]) == {11}
        people.landmarks[11] = np.nan
        assert TrainingFrames(people, SIDE).usable(range(2)) == [1]
        with pytest.raises(InputError, match="no training clip shows a face"):
            TrainingFrames(people, SIDE).usable([0])

    def test_drivers_can_be_drawn_evenly_by_how_far_lips_are_open(self):
        people = made_people(2, frames=40)
        openings = np.zeros(80)
        openings[3] = 1.0  # one frame of 80
        people.landmarks[:, MOUTH_LOWER, 1] = people.landmarks[:, MOUTH_UPPER, 1] + openings
        people.landmarks[:, MOUTH_LOWER, 0] = people.landmarks[:, MOUTH_UPPER, 0]
        frames = TrainingFrames(people, SIDE)
        torch.manual_seed(0)
        clips, rows = frames.draw_drivers([0, 1], 400, even_lips=1.0)
        assert (rows == 3).mean() == pytest.approx(0.5, abs=0.1)
        assert (clips == people.clip_numbers()[rows]).all()
        assert (frames.draw_drivers([0, 1], 400)[1] == 3).mean() < 0.05


def test_short_videos_are_played_to_and_fro():
    assert to_and_fro(3, 8).tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    assert to_and_fro(1, 3).tolist() == [0, 0, 0]
    assert to_and_fro(9, 4).tolist() == [0, 1, 2, 3]


def test_expressions_are_averaged_over_a_window():
    track = np.arange(5, dtype=np.float32)[:, None]
    assert window_mean(track, 3)[:, 0].tolist() == pytest.approx([1 / 3, 1, 2, 3, 11 / 3])
    assert np.array_equal(window_mean(track, 1), track)


@pytest.mark.parametrize("bank", ["scaled", "none"])
def test_ablations_of_the_bank_train(trained, tmp_path, bank):
    content, report = train_decouple(
        made_people(side=32), trained[0] / "backbone.safetensors", SMALL.decouple, Spaces(bank=bank), 0
    )
    (tmp_path / "decouple.safetensors").write_bytes(content)
    assert load_decoupled(tmp_path / "decouple.safetensors").spaces.sizes["pose"] == (6 if bank == "scaled" else 40)
    assert np.isfinite(report.log[-1]["fea"])
