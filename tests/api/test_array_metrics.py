"""Metrics of arrays and tensors: the engine's numbers for the same pixels, and refusals of what cannot be meant."""

import math

import numpy as np
import pytest
import torch

import gmbench
from gmbench.errors import GmbenchError, InputError, NoValueError, WeightsError
from gmbench.evaluation.scoring import registry
from gmbench.media import Video, read_audio

NEEDS_MORE = {"pcm_chance", "div_samples"}


def _clip(sketches, method):
    """Frames, samples and landmarks of a sketched clip."""
    path = sketches / method / "S000" / "000.mp4"
    with np.load(path.with_name("000.landmarks.npz")) as file:
        points = file["points"]
    return np.stack(list(Video(path))), read_audio(path), points


@pytest.fixture(scope="module")
def near(sketches):
    return _clip(sketches, "near")


@pytest.fixture(scope="module")
def real(sketches):
    return _clip(sketches, "reference")


@pytest.fixture(scope="module")
def scored(sketches, tmp_path_factory):
    """Values of the same pair through the engine, with the head pose from its landmarks."""
    names = [
        metric.name for metric in registry.metrics().values()
        if not metric.extractors and "interpolation" not in metric.spec.needs and metric.name not in NEEDS_MORE
    ]  # fmt: skip
    pair = [sketches / method / "S000" / "000.mp4" for method in ("near", "reference")]
    values = gmbench.score(*pair, names, landmarks="sidecar", pose="pnp", store=tmp_path_factory.mktemp("store"))
    return {key.partition("_fb:")[0]: value for key, value in values.items()}


def test_all_metrics_without_a_network_give_the_engines_numbers(scored, near, real):
    assert sum(not math.isnan(value) for value in scored.values()) > 40
    for name, expected in scored.items():
        given = {"audio": near[1], "landmarks": near[2], "reference_landmarks": real[2]}
        if math.isnan(expected):  # no blink, no blendshapes from these landmarks: neither gives a number
            with pytest.raises(GmbenchError):
                gmbench.metric(name)(near[0], real[0], **given)
        else:
            assert gmbench.metric(name)(near[0], real[0], **given) == expected, name


@pytest.mark.parametrize("protocol", ["eat128", "eat128_linspace"])
def test_the_crop_and_pairing_are_the_protocols(sketches, near, real, tmp_path, protocol):
    pair = [sketches / method / "S000" / "000.mp4" for method in ("near", "reference")]
    given = gmbench.score(*pair, "psnr,cpbd", protocol=protocol, landmarks="sidecar", store=tmp_path)
    for name, expected in given.items():
        metric = gmbench.metric(name, protocol=protocol)
        assert metric(near[0], real[0], landmarks=near[2], reference_landmarks=real[2]) == expected


def test_landmarks_and_pose_alone_are_enough_where_no_pixel_counts(scored, near, real):
    points = {"landmarks": near[2], "reference_landmarks": real[2]}
    for name in ("m_lmd", "m_nlmd", "f_lmd", "trace_rms", "trace_gap"):
        assert gmbench.metric(name)(**points) == scored[name]
    assert gmbench.metric("pcm")(**points, size=(128, 128)) == scored["pcm"]
    pose = np.cumsum(np.random.default_rng(0).normal(size=(60, 3)), axis=0)
    assert gmbench.metric("pcm")(pose=pose, reference_pose=pose + 0.5) == 1
    assert gmbench.metric("div")(pose=pose) > 0
    assert 0 < gmbench.metric("ba_m2a")(pose=pose, audio=near[1]) <= 1


@pytest.mark.parametrize("kind", ["float64", "float32", "torch", "torch, channels first", "single", "list"])
def test_every_form_of_the_same_frames_has_the_same_number(near, real, scored, kind):
    frames = [near[0], real[0]]
    if kind.startswith("float"):
        frames = [(f / 255).astype(kind) for f in frames]
    if kind == "torch":
        frames = [torch.from_numpy(f) for f in frames]
    if kind == "torch, channels first":
        frames = [torch.from_numpy(f).permute(0, 3, 1, 2).half().div(255).requires_grad_() for f in frames]
    if kind == "list":
        frames = [list(f) for f in frames]
    expected = scored["ssim"]
    if kind == "single":
        values = [gmbench.metric("ssim")(a, b) for a, b in zip(*frames, strict=True)]
        assert np.mean(values) == pytest.approx(expected, abs=1e-12)
    elif "first" in kind:
        assert gmbench.metric("ssim")(*frames) == pytest.approx(expected, abs=1e-3)  # half floats have fewer levels
    else:
        assert gmbench.metric("ssim")(*frames) == expected


def test_all_255_levels_come_back_from_floats():
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    for kind in (np.float32, np.float64):
        assert gmbench.metric("psnr")((levels / 255).astype(kind), levels) == np.inf
    assert gmbench.metric("psnr")(torch.tensor(levels / 255).permute(2, 0, 1), levels) == np.inf


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((4, 3, 64, 64), np.uint8), r"channels are last: np.moveaxis"),
        (np.zeros((64, 64), np.uint8), r"grey frames have three equal channels"),
        (np.zeros((2, 64, 64, 4), np.uint8), r"leave out transparency"),
        (np.zeros((0, 64, 64, 3), np.uint8), r"got \(0, 64, 64, 3\)"),
        (np.zeros((64, 64, 3), np.int64), r"got int64"),
        (np.full((64, 64, 3), 200.0), r"divide by 255"),
        (np.full((64, 64, 3), -0.5), r"\(frames \+ 1\) / 2"),
        (np.full((64, 64, 3), np.nan), r"got NaN or infinity"),
        (torch.zeros((3, 64, 3)), r"channels first or last"),
        ("clip.mp4", r"gmbench.score"),
        ([np.zeros((4, 4, 3)), np.zeros((5, 5, 3))], r"parts of different shapes"),
    ],
)
def test_arrays_that_are_no_frames_are_refused(frames, message):
    with pytest.raises(InputError, match=message):
        gmbench.metric("cpbd")(frames)


def test_what_is_lacking_is_said(near, real):
    frames, audio, points = near
    for name, inputs, message in (
        ("psnr", {"generated": frames}, "compares with a reference"),
        ("ba_m2a", {"generated": frames}, "reads the sound; pass audio"),
        ("acc_emo", {"generated": frames}, "needs the emotion"),
        ("div", {"landmarks": points}, r"pass size=\(height, width\)"),
        ("m_nlmd", {"generated": frames, "landmarks": points, "reference_landmarks": points}, "pass size="),
        ("psnr", {"landmarks": points, "reference_landmarks": points}, "needs the frames of the generated clip"),
        ("pcm", {"pose": np.zeros((9, 3)), "reference_landmarks": points}, "pose and reference_pose, or neither"),
        ("cpbd", {}, "pass the generated clip's frames"),
        ("cpbd", {"generated": frames, "landmarks": points[:5]}, "different lengths"),
        ("sync_corr", {"generated": frames, "landmarks": points, "audio": audio, "sample_rate": 48000}, "resample"),
        ("sync_corr", {"generated": frames, "landmarks": points, "audio": np.zeros((9, 2))}, "mono"),
        ("sync_corr", {"generated": frames, "landmarks": points, "audio": np.full(9, 300.0)}, "floats from -1 to 1"),
        ("div_samples", {"generated": frames}, "several samples of a clip"),
        ("e_ppl", {"generated": frames}, "sequences between emotions"),
        ("m_lmd", {"landmarks": points[:, :5], "reference_landmarks": points}, r"landmarks \(T, 68, 2\)"),
    ):
        with pytest.raises(InputError, match=message):
            gmbench.metric(name)(**inputs)
    with pytest.raises(NoValueError, match="0 motion beats"):
        gmbench.metric("ba_m2a")(pose=np.zeros((60, 3)), audio=audio)
    with pytest.raises(WeightsError, match="alexnet"):
        gmbench.metric("lpips_alex")(frames, real[0])
    with pytest.raises(InputError, match="expected the name of one metric"):
        gmbench.metric("lips")
    with pytest.raises(InputError, match="did you mean psnr"):
        gmbench.metric("pnsr")


def test_a_sound_in_floats_is_the_sound_in_integers(near):
    frames, audio, points = near
    corr = gmbench.metric("sync_corr")
    expected = corr(frames, landmarks=points, audio=audio)
    assert corr(frames, landmarks=points, audio=audio / 32768) == expected
    assert corr(frames, landmarks=points, audio=torch.from_numpy(audio)) == expected


def test_clips_of_different_sizes_and_lengths_are_compared_as_files_are(near, real):
    small = near[0][:40, ::2, ::2]
    score = gmbench.metric("psnr").score(small, real[0])
    assert score.frames_used == 40
    assert score.flags == ("length_mismatch",)
    assert 20 < score.value < 40
