"""FlowVQTalker as a method: what it takes, what it refuses, and its jobs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gmbench import shards
from gmbench.datasets.manifest import TEST, ClipRow
from gmbench.errors import InputError
from gmbench.media import encode_video
from gmbench.methods.flowvqtalker.drawing import Source
from gmbench.methods.flowvqtalker.jobs import fit_all, training_jobs
from gmbench.methods.flowvqtalker.method import FlowVQTalker
from gmbench.methods.flowvqtalker.sampling import own_context
from gmbench.methods.interface import (
    Drivers,
    EmbedsEmotion,
    EmotionSpec,
    GenRequest,
    HasLatents,
    Interpolates,
    MissingInput,
    NotSupported,
    PreparedDataset,
    ReferenceClip,
    UnsupportedEmotion,
)
from tests.methods.flowvqtalker.made import EMOTIONS, made_clips, write_networks

SOUND = np.random.default_rng(0).normal(0, 2000, 12 * 640).astype(np.int16)


@pytest.fixture(scope="module")
def method(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("flowvqtalker")
    write_networks(folder)
    loaded = FlowVQTalker()
    loaded.load(folder)
    return loaded


def _request(**changes):
    clip = made_clips()[1]
    picture = np.random.default_rng(1).integers(0, 255, (48, 48, 3)).astype(np.uint8)
    request = GenRequest("clip", SOUND, EmotionSpec({"happy": 1.0}), source_image=picture,
                         source_expression=clip.beta[0], source_motion=clip.rho[0])  # fmt: skip
    return replace(request, **changes)


def _frames(method, request):
    return np.stack(list(method.generate(request).frames))


def test_a_relative_generator_is_asked_for_nothing_by_the_source_itself(method, monkeypatch):
    request = _request()
    source = Source(request.source_image, request.source_expression, request.source_motion)
    still = (source.beta[None].repeat(3, 0), source.rho[None].repeat(3, 0))
    painter = method.painter
    assert float(painter.motion(source, *still).abs().max()) > 0.01
    settings = painter.generator.settings.model_copy(update={"relative": True})
    monkeypatch.setattr(painter.generator, "settings", settings)
    assert float(painter.motion(source, *still).abs().max()) < 1e-5
    turned = still[1] + np.float32(0.1)
    asked, before = painter.motion(source, still[0], turned), painter.motion(source, *still)
    assert not torch.equal(asked, before)


def _reference(**changes):
    clip = made_clips()[2]
    return replace(ReferenceClip("sad one", "sad.mp4", SOUND, clip.beta[:12], clip.rho[:12]), **changes)


def test_protocols():
    made = FlowVQTalker()
    for protocol in (Interpolates, HasLatents, EmbedsEmotion):
        assert isinstance(made, protocol)


def test_generates_from_a_label_with_seeds(method):
    frames = _frames(method, _request())
    assert frames.shape == (12, 32, 32, 3)
    assert np.array_equal(frames, _frames(method, _request()))
    result = method.generate(_request(seed=1))
    first = method.generate(_request())
    assert not np.allclose(result.expression, first.expression)
    assert np.array_equal(result.motion[:, 6:10], np.repeat(_request().source_motion[None, 6:10], 12, axis=0))
    assert not np.allclose(first.expression, method.generate(_request(emotion=EmotionSpec({"sad": 1.0}))).expression)
    mixed = EmotionSpec({"sad": 0.5, "happy": 0.5})
    assert np.isfinite(method.generate(_request(emotion=mixed)).expression).all()
    moving = method.generate(_request(emotion_end=EmotionSpec({"sad": 1.0}))).expression
    assert np.allclose(moving[0], first.expression[0], atol=1e-5)
    assert not np.allclose(moving[-1], first.expression[-1])


def test_drives(method, tmp_path):
    clip = made_clips()[4]
    posed = method.generate(_request(motion=clip.rho, drives=("pose",), temperature=0.0))
    assert np.array_equal(posed.motion, clip.rho[:12])
    whole = _request(motion=clip.rho, expression=clip.beta, drives=("coefficients",))
    assert np.array_equal(method.generate(whole).expression, clip.beta[:12])
    video = tmp_path / "scored.mp4"
    video.write_bytes(encode_video(iter(np.zeros((12, 48, 48, 3), np.uint8) + 90), SOUND, crf=12))
    scored = _request(drives=("reconstruct",), drivers=Drivers(video, video, video), emotion=EmotionSpec())
    assert _frames(method, scored).shape == (12, 32, 32, 3)
    with pytest.raises(NotSupported, match="FlowVQTalker has no drive 'video'"):
        method.generate(_request(drives=("video",)))


def test_a_reference_gives_the_emotion(method):
    request = _request(emotion=EmotionSpec(clip="sad.mp4"), drives=("reference",), reference=_reference())
    result = method.generate(request)
    assert result.meta["reference_emotion"] in EMOTIONS
    assert result.expression.shape == (12, 169)
    with pytest.raises(MissingInput, match="sad one: no coefficients of this reference clip"):
        method.generate(replace(request, reference=_reference(expression=None)))


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"source_image": None}, MissingInput, "clip: FlowVQTalker needs source_image"),
    ({"source_expression": None}, MissingInput, "clip: FlowVQTalker needs source_expression"),
    ({"emotion": EmotionSpec({"fear": 1.0})}, UnsupportedEmotion, "fear was not learnt"),
    ({"emotion": EmotionSpec()}, MissingInput, "FlowVQTalker needs an emotion, of happy, neutral, sad, or a clip"),
    ({"emotion": EmotionSpec(clip="x.mp4")}, MissingInput, "needs the reference clip"),
    ({"audio": SOUND[:100]}, MissingInput, "shorter than one frame"),
])  # fmt: skip
def test_what_is_missing_is_named(method, changes, error, message):
    with pytest.raises(error, match=message):
        method.generate(_request(**changes))


@pytest.mark.parametrize("way", ["latent", "hard_switch"])
def test_interpolation_runs_between_the_labels(method, way):
    ends = EmotionSpec({"happy": 1.0}), EmotionSpec({"sad": 1.0})
    steps = method.interpolate(_request(), *ends, 5, way)
    assert [step.meta["alpha"] for step in steps] == [0, 0.25, 0.5, 0.75, 1]
    assert all(np.stack(list(step.frames)).shape == (1, 32, 32, 3) for step in steps)
    moved = [not np.allclose(a.expression, b.expression) for a, b in zip(steps, steps[1:], strict=False)]
    assert moved == ([True] * 4 if way == "latent" else [False, False, True, False])
    with pytest.raises(NotSupported, match="'sample_blend'"):
        method.interpolate(_request(), *ends, 3, "sample_blend")


def test_embeddings(method):
    clip = made_clips()[0]
    assert method.embed_emotion(_request()).shape == (64,)
    assert method.embed_clip(_reference(), "face").shape == (64,)
    assert method.posterior(clip.beta, clip.audio).shape == (64,)
    with pytest.raises(NotSupported, match="not by 'sound'"):
        method.embed_clip(_reference(), "sound")


def test_the_likelihood_is_that_of_the_clips_own_context(method):
    clip = made_clips()[1]
    rho, beta = clip.rho[:12], clip.beta[:12]
    found = method.log_likelihood(_request(), beta, rho)
    codes = torch.from_numpy(method.flows.code.encode(beta, rho))
    request = _request()
    source = torch.from_numpy(method.flows.code.encode(clip.beta[:1], clip.rho[:1])[0])
    sound = torch.from_numpy(method._features(request))
    network, number = method.flows.expflow, method.emotions.index("happy")
    with torch.inference_mode():
        context = own_context(codes, sound, number, network, source)
        logs = network.log_likelihood(codes, context, torch.full((12,), number))
    assert found == pytest.approx(float(logs.mean()) / 64, rel=1e-5)
    assert method.log_likelihood(_request(emotion=EmotionSpec({"sad": 1.0})), beta, rho) != pytest.approx(found)
    wild = beta + np.random.default_rng(2).normal(0, 30, beta.shape).astype(np.float32)
    assert method.log_likelihood(_request(), wild, rho) < found


class TestJobs:
    @pytest.fixture
    def dataset(self, tmp_path):
        rows = tuple(ClipRow(f"d/M1/sad/1/{n}", "d", "M1", "sad", 1, str(n), f"M1{n}.mp4", "") for n in (1, 2))
        names = ("crops", "landmarks", "coefficients", "audio", "renders")
        folders = [tmp_path / name for name in names]
        for folder, column in zip(folders[1:4], ("mesh", "beta", "features"), strict=True):
            shards.write(folder, "M1", [(row.clip_id, {column: np.ones((3, 2), np.float32)}) for row in rows])
        folders[0].mkdir()
        for row in rows:
            (folders[0] / row.video_path).write_bytes(row.clip_id.encode())
        (tmp_path / "model.npz").write_bytes(b"model")
        return PreparedDataset("d", rows, *folders, {"extractor": "logmel"}, tmp_path / "model.npz", None, 64)

    @pytest.mark.parametrize(("ablation", "anew"), [
        ("gmm", {"expflow"}), ("wo_dropout", {"expflow", "poseflow"}), ("wo_projection", set()),
        ("one_actnorm", {"expflow"}), ("b_w", {"vqig"}),
    ])  # fmt: skip
    def test_ablations_share_what_they_do_not_change(self, dataset, ablation, anew):
        def keys(*ablations, seed=0):
            settings = FlowVQTalker().settings({}, ablations)
            return {job.name: job.key for job in training_jobs(dataset, dataset, settings, seed)}

        whole, changed = keys(), keys(ablation)
        assert {name for name in whole if whole[name] != changed[name]} == anew
        assert not set(whole.values()) & set(keys(seed=1).values())

    def test_only_the_image_generator_waits(self, dataset):
        jobs = {job.name: job.needs for job in training_jobs(dataset, dataset, FlowVQTalker().settings({}), 0)}
        assert jobs == {"codebook": (), "expflow": (), "poseflow": (), "vqig": ("codebook",)}

    def test_nothing_to_learn_from_and_unknown_names_are_named(self, dataset, tmp_path):
        tested = replace(dataset, rows=tuple(replace(row, split=TEST) for row in dataset.rows))
        with pytest.raises(InputError, match="d: no training clips"):
            list(training_jobs(tested, tested, FlowVQTalker().settings({}), 0))
        with pytest.raises(InputError, match="flowvqtalker has no stage 'hair'; it has codebook, expflow"):
            fit_all(dataset, dataset, tmp_path, FlowVQTalker().settings({}), 0, None, ["hair"])
        with pytest.raises(InputError, match=r"flowvqtalker: expflow\.degree"):
            FlowVQTalker().settings({"expflow": {"degree": 4}})
