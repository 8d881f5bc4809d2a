"""Training of the expression generator: who is learnt from, what learns, and that lips follow the sound."""

import numpy as np
import pytest
import torch

from gmbench.datasets.manifest import ClipRow
from gmbench.face.landmarks_68 import mesh_vertices
from gmbench.methods.gmtalker import gmeg
from gmbench.methods.gmtalker.checkpoints import CHECKPOINTS
from gmbench.methods.gmtalker.settings import Gmeg
from gmbench.methods.gmtalker.training import train_gmeg
from gmbench.methods.lips import lip_motion
from gmbench.methods.scaling import Scale
from gmbench.methods.settings import TrainingSettings
from gmbench.methods.track_people import draw_clips
from gmbench.methods.tracks import ClipTracks
from gmbench.morphable.synthetic.model import synthetic_model

SMALL = {"width": 16, "heads": 2, "layers": (1, 1, 1), "z": 6, "w": 4, "dropout": 0.0, "window": (30, 30)}
EMOTIONS = ("happy", "neutral", "sad")


@pytest.fixture(autouse=True)
def _one_thread():
    torch.manual_seed(0)
    torch.set_num_threads(1)


def _clips(speakers, frames=30, seed=5):
    generator = np.random.default_rng(seed)
    clips = []
    for number, speaker in enumerate(speakers):
        tracks = (generator.normal(0, 1, (frames, width)).astype(np.float32) for width in (9, 12, 6))
        clips.append(ClipTracks(f"c{number}", speaker, EMOTIONS[number % 3], 1, *tracks))
    return clips


def _without_gradient(settings):
    """Names of parameters of which nothing has a gradient; keys and values of an attention count apart.

    The biases of keys do not count: they move all keys alike, which no softmax sees.
    """
    network = gmeg.ExpressionGenerator(settings, 9, 6, 3, 2)
    torch.nn.init.normal_(network.decoder.outputs.weight)  # zero at the start, which stops all others for one step
    beta, audio, valid = torch.randn(8, 30, 9), torch.randn(8, 30, 6), torch.ones(8, 30, dtype=torch.bool)
    weights = torch.eye(3)[torch.arange(8) % 3]
    gmeg.losses(network, beta, audio, valid, weights, torch.arange(8) % 2, 0.9)["total"].backward()
    parts = {}
    for name, parameter in network.named_parameters():
        gradient = torch.zeros(1) if parameter.grad is None else parameter.grad
        if name.endswith("key_value.weight"):
            parts[f"{name} of keys"], parts[f"{name} of values"] = gradient.chunk(2)
        else:
            parts[name] = gradient
    return {name for name, gradient in parts.items() if float(gradient.abs().max()) < 1e-9}


@pytest.mark.parametrize(
    "changes",
    [{}, {"prior": "normal"}, {"prior": "labelled"}, {"objective": "literal"}, {"teacher": "rollout"},
     {"teacher": "plain"}, {"audio_layers": 2, "audio_frames": 3}],
)  # fmt: skip
def test_every_parameter_learns(changes):
    assert _without_gradient(Gmeg(**SMALL, **changes)) == set()


def test_attention_to_a_single_frame_of_sound_learns_nothing():
    layer = "decoder.decoder.layers.0."
    names = (
        "cross.query.weight",
        "cross.query.bias",
        "cross.key_value.weight of keys",
        "norms.1.weight",
        "norms.1.bias",
    )
    assert _without_gradient(Gmeg(**SMALL, align_halfwidth=0)) == {layer + name for name in names}


def test_people_of_the_checkpoint_are_the_datasets(tmp_path):
    settings = Gmeg(**SMALL, train=TrainingSettings(steps=2, batch=4, rate=1e-3), track_share=0.5)
    own, further = _clips(["M1", "W1"] * 3), _clips(["A", "B", "C"], seed=6)
    files = {}
    for name, others in (("alone", ()), ("together", further)):
        content, _ = train_gmeg(own, EMOTIONS, {}, settings, 3, further=others)
        (tmp_path / name).write_bytes(content)
        files[name] = content
        facts = CHECKPOINTS.read_facts(tmp_path / name, "gmeg")
        assert facts["speakers"] == ["M1", "W1"]
        network = gmeg.ExpressionGenerator(settings, 9, 6, 3, 2)
        CHECKPOINTS.load_weights(tmp_path / name, network)
        assert network.speaker.weight.shape == (2, 16)
    assert files["alone"] != files["together"]


def test_lip_motion_is_how_the_mouth_moves():
    model = synthetic_model()
    lips = lip_motion(model)
    assert lips.shape == (169, 60)
    full = np.zeros((2, 171), np.float32)
    full[1, model.column("jaw_open")] = 0.5
    beta, _ = model.split(full)
    vertices = model.vertices(model.identity(np.zeros(150)), full, np.zeros((2, 4)))
    moved = (vertices[1] - vertices[0])[model.landmarks[mesh_vertices()[48:68]]]
    np.testing.assert_allclose(((beta[1] - beta[0]) @ lips).reshape(20, 3), moved, atol=1e-5)
    assert np.abs(moved).max() > 0.01


def test_weights_of_the_lips_change_the_result():
    weights = {"rec": 1.0, "cond": 0.5, "w": 0.5, "emo": 0.5}
    results = []
    for lips in (None, np.random.default_rng(0).normal(0, 1, (9, 4)).astype(np.float32)):
        settings = Gmeg(
            **SMALL, weights=weights | ({} if lips is None else {"lips": 1.0}),
            train=TrainingSettings(steps=3, batch=4, rate=1e-3),
        )  # fmt: skip
        content, report = train_gmeg(_clips(["M1", "W1"] * 3), EMOTIONS, {}, settings, 3, lips=lips)
        results.append(content)
        assert ("lips" in report.log[-1]) == (lips is not None)
    assert results[0] != results[1]


def _lip_correlation(path, tested):
    """Mean correlation of generated lip columns with the real ones, over clips and columns."""
    facts = CHECKPOINTS.read_facts(path, "gmeg")
    network = gmeg.ExpressionGenerator(Gmeg.model_validate(facts["settings"]), 169, 160, 1, len(facts["speakers"]))
    constants = CHECKPOINTS.load_weights(path, network)
    audio = torch.from_numpy(np.stack([clip.audio for clip in tested]))
    with torch.inference_mode():
        one = torch.ones(len(tested), 1)
        z = network.sample_z(one, torch.zeros(len(tested), 4), torch.zeros(len(tested), 6))
        condition = network.condition(z, torch.zeros(len(tested), dtype=torch.long), one)
        generated = network.decoder.generate(condition, audio).numpy()
    model = synthetic_model()
    names = ("jaw_open", "pucker", "stretch", "funnel", "lips_press")
    columns = np.searchsorted(model.beta_columns, [model.column(name) for name in names])
    generated = Scale(constants["mean"], constants["deviation"]).restore(generated)
    pairs = [(track[:, n], clip.beta[:, n]) for track, clip in zip(generated, tested, strict=True) for n in columns]
    return np.mean([np.corrcoef(*pair)[0, 1] for pair in pairs])


@pytest.mark.slow
def test_lips_follow_the_sound_better_with_track_people(tmp_path):
    rows = [ClipRow("d/M/neutral/1/1", "d", "M", "neutral", 1, "1", "", "")]
    clips = draw_clips(80, rows, 50, "concat")
    own, tested, further = clips[:2], clips[2:14], clips[14:]
    settings = Gmeg(
        **SMALL | {"width": 32, "window": (50, 50)}, audio_frames=5, audio_layers=1, decay=True,
        track_share=0.75, train=TrainingSettings(steps=160, batch=8, rate=3e-3),
    )  # fmt: skip
    found = []
    for others in ((), further):
        content, _ = train_gmeg(own, ("neutral",), {}, settings, 0, further=others)
        (tmp_path / "gmeg").write_bytes(content)
        found.append(_lip_correlation(tmp_path / "gmeg", tested))
    assert found[1] > found[0] + 0.05


def test_draws_every_emotion_and_level_of_the_data():
    rows = [ClipRow(f"d/M/{e}/{n}/1", "d", "M", e, n, "1", "", "") for e, n in (("neutral", 1), ("sad", 1), ("sad", 3))]
    clips = draw_clips(2, rows, 40, "mean")
    assert sorted((c.emotion, c.level) for c in clips) == sorted([("sad", 1), ("sad", 3), ("neutral", 1)] * 2)
    assert len({clip.speaker for clip in clips}) == 2
    assert {c.beta.shape for c in clips} == {(40, 169)}
    assert {c.audio.shape for c in clips} == {(40, 80)}
    assert draw_clips(0, rows, 40, "mean") == []
