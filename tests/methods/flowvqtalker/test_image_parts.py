"""FlowVQTalker's codebook and image generator: variants, frozen parts, gradients, the gate."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load

from gmbench.errors import InputError
from gmbench.methods import emotion_gate
from gmbench.methods.expression_code import ExpressionCode
from gmbench.methods.flowvqtalker.codebook_training import train_codebook
from gmbench.methods.flowvqtalker.face_features import feature_cells, feature_weights, weighted_l1
from gmbench.methods.flowvqtalker.image_generator import WINDOW, ImageGenerator, MotionDescriptor, motion_windows
from gmbench.methods.flowvqtalker.image_training import (
    encode_motion,
    flow_loss,
    frame_pairs,
    image_losses,
    load_code,
    motion_gains,
    train_vqig,
)
from gmbench.methods.flowvqtalker.picture_code import PictureCode
from gmbench.methods.flowvqtalker.settings import LADDER_PARTS, Settings
from gmbench.methods.lips import by_opening
from gmbench.methods.picture_tracks import ClipMotion, held_out_clips
from gmbench.methods.scaling import Scale
from gmbench.methods.tracks import POSE
from gmbench.morphable.landmarks_478 import LEFT_EYE, LIPS_INNER, MOUTH_LOWER, MOUTH_UPPER, RIGHT_EYE
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.nn.pictures import to_bytes, to_signed
from tests.methods.flowvqtalker.made import EMOTIONS, SMALL, made_clips, made_people


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips():
    return made_clips()


@pytest.fixture(scope="module")
def people(clips):
    return made_people(clips)


def _generator(parts="full"):
    return ImageGenerator(PictureCode(SMALL.codebook).eval(), SMALL.vqig.model_copy(update={"parts": parts}))


def _pairs(people, clips):
    pictures, motion = people
    code = ExpressionCode.fit(clips, synthetic_model(), "landmarks")
    pose = Scale.of([clip.rho[:, POSE] for clip in clips])
    return frame_pairs(pictures, motion, code, pose), code, pose


def _digest(module):
    state = module.state_dict()
    return hashlib.sha256(b"".join(state[name].numpy().tobytes() for name in sorted(state))).hexdigest()


def test_pictures_and_back():
    pictures = torch.randint(0, 256, (2, 5, 5, 3), dtype=torch.uint8)
    assert torch.equal(to_bytes(to_signed(pictures)), pictures)


def test_windows_repeat_the_ends():
    motion = torch.arange(40.0)[:, None].expand(40, 70)
    windows = motion_windows(motion, 0, 40)
    assert windows.shape == (40, WINDOW, 70)
    assert windows[0, :, 0].tolist() == [0] * 14 + list(range(1, 14))
    assert windows[20, :, 0].tolist() == list(range(7, 34))
    assert MotionDescriptor(8)(windows).shape == (40, 8)


@pytest.mark.parametrize("parts", sorted(LADDER_PARTS))
def test_variants_have_their_parts(parts):
    generator = _generator(parts)
    names = {"warping": "warp", "fuse": "fuse", "attention": "attention", "predictor": "codes"}
    there = {part for name, part in names.items() if getattr(generator, name) is not None}
    assert there == set(LADDER_PARTS[parts])
    drawn = generator(torch.rand(2, 3, 32, 32), torch.randn(2, WINDOW, 70))
    assert drawn.picture.shape == (2, 3, 32, 32)
    assert (drawn.warped is None) == (parts == "b")
    assert (drawn.logits is None) == (parts != "full")


def test_the_encoder_starts_as_the_frozen_one_and_the_warp_as_nothing():
    generator, source = _generator().eval(), torch.rand(2, 3, 32, 32)
    assert torch.equal(generator.encoder(source), generator.code.encoder(source))
    drawn = generator(source, torch.randn(2, WINDOW, 70))
    assert float((drawn.warped - source).abs().max()) < 1e-5
    assert not any(p.requires_grad for p in generator.code.parameters())


def test_gradients_of_the_picture_reach_the_transformer_through_the_code_query():
    generator = _generator().train()
    drawn = generator(torch.rand(2, 3, 32, 32), torch.randn(2, WINDOW, 70))
    drawn.picture.square().mean().backward()
    for part in ("mapping", "warping", "encoder", "fuse", "predictor"):
        gradients = [p.grad for p in getattr(generator, part).parameters() if p.grad is not None]
        assert gradients, part
    assert max(float(p.grad.abs().max()) for p in generator.predictor.parameters() if p.grad is not None) > 0
    assert all(p.grad is None for p in generator.code.parameters())


def test_the_query_looks_up_the_likeliest_codes():
    generator = _generator().eval()
    logits = torch.randn(1, 256, 12)
    maps = generator.query(logits, torch.zeros(1, 8, 16, 16))
    wanted = generator.code.table.codes[logits[0, 19].argmax()]
    torch.testing.assert_close(maps[0, :, 1, 3], wanted)
    torch.testing.assert_close(generator.train().query(logits, torch.zeros(1, 8, 16, 16)), maps)


def test_a_generator_that_starts_nearest_draws_the_warped_sources_own_codes():
    torch.manual_seed(1)
    settings = SMALL.vqig.model_copy(update={"start": "nearest"})
    code = PictureCode(SMALL.codebook).eval()
    code.table.codes.data = torch.randn_like(code.table.codes)
    generator, source = ImageGenerator(code, settings).eval(), torch.rand(2, 3, 32, 32)
    drawn = generator(source, torch.randn(2, WINDOW, 70))
    torch.testing.assert_close(drawn.features, code.encoder(source), atol=1e-4, rtol=1e-4)
    assert torch.equal(drawn.logits.argmax(-1), code.quantise(source).indices.flatten(1))
    torch.testing.assert_close(drawn.picture, code(source)[0], atol=1e-4, rtol=1e-4)
    drawn = generator.train()(source, torch.randn(2, WINDOW, 70))
    drawn.logits.logsumexp(-1).sum().backward()
    assert generator.log_sharpness.grad is not None


def test_motion_is_read_at_the_middle_frame_at_first():
    descriptor, window = MotionDescriptor(8), torch.randn(2, WINDOW, 70)
    descriptor.start_at_middle()
    assert [bool(part.abs().any()) for part in descriptor.first.weight.movedim(-1, 0)] == [False] * 3 + [True] + [
        False
    ] * 3
    changed = [window.clone() for _ in range(2)]
    for other, place in zip(changed, (WINDOW // 2, 0), strict=True):
        other[:, place] += 1
    far = [float((descriptor(other) - descriptor(window)).square().sum().detach()) for other in changed]
    assert far[0] > 2 * far[1]


def test_expressions_count_by_their_effect_as_much_as_the_pose(people, clips):
    pairs, code, pose = _pairs(people, clips)
    gains = motion_gains(code)
    assert float(gains[:64].square().sum()) == pytest.approx(6, rel=1e-4)
    assert torch.equal(gains[64:], torch.ones(6))
    one, none = (code.decode(rows)[0] for rows in (np.eye(64, dtype=np.float32), np.zeros((1, 64), np.float32)))
    reach = np.linalg.norm((one - none) / code.coefficients.scale.deviation[:169], axis=1)
    assert np.corrcoef(gains[:64], reach)[0, 1] > 0.9  # what moves landmarks further is louder
    settings = SMALL.vqig.model_copy(update={"coefficients": "effect"})
    content, _ = train_vqig(pairs, PictureCode(SMALL.codebook).eval(), code, pose, settings, 0)
    assert torch.equal(load(content)["mapping.gains"], gains)
    alike = SMALL.model_dump() | {"vqig": settings.model_dump()}
    alike["expflow"]["coefficients"] = "standardised"
    with pytest.raises(ValueError, match="effect needs expflow: coefficients: landmarks"):
        Settings.model_validate(alike)


def test_targets_may_be_drawn_evenly_by_the_opening_of_lips(people, clips):
    landmarks = np.random.default_rng(0).normal(size=(400, 478, 2)).astype(np.float32)
    landmarks[:, MOUTH_UPPER], landmarks[:, MOUTH_LOWER] = 0, 0
    landmarks[:, LEFT_EYE], landmarks[:, RIGHT_EYE] = (10, 0), (0, 0)
    landmarks[:, MOUTH_LOWER, 1] = np.where(np.arange(400) < 10, 5, np.linspace(0, 1, 400))
    landmarks[7] = np.nan
    groups = by_opening(landmarks)
    assert sorted(np.concatenate(groups)) == [n for n in range(400) if n != 7]
    assert set(groups[-1]) == set(range(10)) - {7}
    pairs = replace(_pairs(people, clips)[0], by_opening=[np.array([3]), np.arange(4, 60)])
    wide = np.mean([pairs._target(1.0) == 3 for _ in range(300)])
    assert 0.4 < wide < 0.6
    assert np.mean([pairs._target(0.0) == 3 for _ in range(300)]) < 0.1
    assert len(pairs.draw(3, 0.5, 0.5).source) == 3


def test_a_codebook_that_starts_from_patches_is_off_by_half_a_unit(people):
    code = PictureCode(SMALL.codebook.model_copy(update={"start": "patches"}))
    pictures = to_signed(torch.from_numpy(people[0].frames[:12]))
    code.start_from(pictures)
    maps = code.encoder(pictures)
    off = (code.table.look_up(code.table.nearest(maps)) - maps).square().mean().sqrt()
    assert float(off) == pytest.approx(0.5, rel=1e-3)
    bare = (code.decoder(maps) - pictures).square().mean()
    assert float(bare) < float((code.eval()(pictures)[0] - pictures).square().mean())


def test_a_codebook_starts_from_the_places_that_count():
    code = PictureCode(SMALL.codebook.model_copy(update={"start": "patches"}))
    torch.manual_seed(0)
    pictures = torch.rand(8, 3, 32, 32) * 2 - 1
    places = torch.zeros(8, 1, SMALL.codebook.cells, SMALL.codebook.cells)
    places[..., 0, :] = 1

    def errors(weights):
        code.start_from(pictures, weights)
        maps = code.encoder(pictures)
        return (code.table.look_up(code.table.nearest(maps)) - maps).square().mean((0, 1, 3)) / maps.square().mean()

    aimed, all_alike = errors(places), errors(None)
    assert aimed[0] < all_alike[0]
    assert aimed[1:].mean() > all_alike[1:].mean()


def test_features_of_the_face_count_more():
    landmarks = np.full((2, 478, 2), np.nan, np.float32)
    landmarks[0] = 5.0
    landmarks[0, LIPS_INNER[0]] = (17.0, 9.0)
    covered = feature_cells(landmarks, 32, 16)[:, 0]
    assert covered[0, 4, 8] == covered[0, 3, 7] == covered[0, 2, 2] == 1
    assert covered[0].sum() == 18  # nine cells around each of two places
    assert covered[1].sum() == 0
    weights = feature_weights(landmarks, 32, 2.0, torch.device("cpu"))
    assert sorted(set(weights.flatten().tolist())) == [1, 3]
    assert feature_weights(landmarks, 32, 0.0, torch.device("cpu")) is None
    drawn, target = torch.rand(2, 2, 3, 32, 32)
    assert float(weighted_l1(drawn, target, weights)) > float(weighted_l1(drawn, target, None))
    torch.testing.assert_close(weighted_l1(drawn, target, torch.ones_like(weights)), weighted_l1(drawn, target, None))


def test_the_code_level_has_no_picture_losses():
    generator, target = _generator().train(), torch.rand(2, 3, 32, 32)
    drawn = generator(target, torch.randn(2, WINDOW, 70), draw=False)
    assert set(image_losses(generator, drawn, target, False, None)) == {"feat", "ce"}
    drawn = generator(target, torch.randn(2, WINDOW, 70))
    assert set(image_losses(generator, drawn, target, True, torch.nn.MSELoss())) == {"feat", "ce", "rec", "per"}


def test_codebook_then_image_generator(people, clips, tmp_path):
    content, report = train_codebook(people[0], SMALL.codebook, 0)
    assert {"rec", "per", "code", "commitment", "d", "g"} <= set(report.log[-1])
    (tmp_path / "codebook.safetensors").write_bytes(content)
    code = load_code(tmp_path / "codebook.safetensors")
    before = _digest(code)
    pairs, expressions, pose = _pairs(people, clips)
    _, report = train_vqig(pairs, code, expressions, pose, SMALL.vqig, 0)
    assert report.frozen_parameters >= sum(p.numel() for p in code.parameters())
    assert {"ce", "feat", "warp", "rec", "per", "g"} <= set(report.log[-1])
    assert _digest(code) == before
    ladder = SMALL.vqig.model_copy(update={"parts": "b"})
    assert "ce" not in train_vqig(pairs, code, expressions, pose, ladder, 0)[1].log[-1]


def test_the_warp_learns_alone_at_first_where_there_is_one(people, clips):
    code = PictureCode(SMALL.codebook).eval()
    pairs, expressions, pose = _pairs(people, clips)
    weights = SMALL.vqig.weights | {"flow": 1.0, "adv": 0.0}
    for parts, wanted in (("full", {"warp", "flow"}), ("b", {"feat", "rec", "per"})):
        settings = SMALL.vqig.model_copy(update={"warp_until": 4, "weights": weights, "parts": parts})
        _, report = train_vqig(pairs, code, expressions, pose, settings, 0)
        assert set(report.log[-1]) == wanted | {"step"}


def test_pairs_are_of_one_person_and_targets_have_faces(people, clips):
    pictures, motion = people
    known = np.arange(30) % 5 > 0
    hidden = {n: ClipMotion(m.beta, m.rho, known) for n, m in motion.items()}
    pairs, _, _ = _pairs((pictures, hidden), clips)
    number = pictures.clip_numbers()
    assert all((frame - pictures.clips[number[frame]].first) % 5 for frame in pairs.targets[:, 0])
    for clip, members in pairs.same.items():
        assert {pictures.clips[n].speaker for n in number[members]} == {pictures.clips[clip].speaker}
    batch = pairs.draw(3)
    assert batch.source.shape == batch.target.shape == (3, 3, 32, 32)
    assert batch.window.shape == (3, WINDOW, 70)
    assert batch.landmarks.shape == (3, 478, 2)
    for _, clip, _ in pairs.targets[::20]:
        chosen = {pairs._source(int(clip), 1.0) for _ in range(20)}
        assert chosen <= set(pairs.own[int(clip)].tolist())
        assert len({number[pairs._source(int(clip), 0.0)] for _ in range(20)}) > 1
    nothing = {0: ClipMotion(clips[0].beta, clips[0].rho, np.zeros(30, bool))}
    with pytest.raises(InputError, match="no training clip has coefficients"):
        _pairs((pictures, nothing), clips)


def test_pairs_know_the_coefficients_of_their_source(people, clips):
    pictures, motion = people
    pairs, code, pose = _pairs(people, clips)
    batch, number = pairs.draw(6), pictures.clip_numbers()
    frames = to_signed(torch.from_numpy(pictures.frames))
    for source, known in zip(batch.source, batch.source_motion, strict=True):
        (frame,) = (n for n, picture in enumerate(frames) if torch.equal(picture, source))
        clip, place = number[frame], frame - pictures.clips[number[frame]].first
        own = encode_motion(motion[clip].beta[place : place + 1], motion[clip].rho[place : place + 1], code, pose)
        torch.testing.assert_close(known, own[0])


def test_the_flow_must_lead_from_the_targets_landmarks_to_the_sources():
    source = np.full((2, 478, 2), np.nan, np.float32)
    source[0] = np.random.default_rng(0).uniform(4, 20, (478, 2))
    target = source - np.float32(3.1)
    flow = torch.zeros(2, 2, 8, 8, requires_grad=True)
    off = flow_loss(flow, source, target, 32)
    assert float(off) == pytest.approx(3.1 * 2 / 31, rel=1e-4)
    assert float(flow_loss(flow + 3.1 * 2 / 31, source, target, 32)) == pytest.approx(0, abs=1e-6)
    off.backward()
    assert torch.isfinite(flow.grad).all()
    assert [float(part.abs().sum()) > 0 for part in flow.grad] == [True, False]
    assert float(flow_loss(flow[1:], source[1:], target[1:], 32)) == 0


class TestGate:
    def test_it_fails_with_both_numbers(self):
        people, _ = made_people(made_clips(27, frames=10))
        settings = SMALL.codebook.model_copy(update={"gate": 1.0, "gate_steps": 40})
        settings = settings.model_copy(update={"train": settings.train.model_copy(update={"steps": 1, "rate": 1e-9})})
        with pytest.raises(InputError, match=r"keeps the emotion of \d+% .*\(\d+% of all\), expected at least 100%"):
            train_codebook(people, settings, 0)

    def test_a_classifier_that_sees_too_little_lets_nothing_pass(self, monkeypatch):
        monkeypatch.setattr(emotion_gate, "LEAST_SEEN", 4.0)
        people, _ = made_people(made_clips(27, frames=10))
        settings = SMALL.codebook.model_copy(update={"gate": 0.01, "gate_steps": 1})
        with pytest.raises(InputError, match=r"sees the emotion of \d+% of the held-out frames, too few"):
            train_codebook(people, settings, 0)

    def test_its_classifier_sees_what_is_there(self):
        people, _ = made_people(made_clips(27, frames=10))
        held_out = held_out_clips(people.clips)
        assert held_out == [7, 15, 23]
        teacher = emotion_gate.train_teacher(people, [n for n in range(27) if n not in held_out], sorted(EMOTIONS), 40)
        frames = np.concatenate([np.arange(people.clips[n].first, people.clips[n].stop) for n in held_out])
        wanted = [sorted(EMOTIONS).index(people.clips[n].emotion) for n in held_out for _ in range(10)]
        found = teacher(to_signed(torch.from_numpy(people.frames[frames]))).argmax(1)
        assert (found == torch.tensor(wanted)).float().mean() > 0.9

    def test_one_emotion_needs_no_gate(self):
        clips = [clip for clip in made_clips(27, frames=10) if clip.emotion == "sad"]
        assert held_out_clips(made_people(clips)[0].clips) == []
