"""DICE-Talk as a method: what it takes, what it refuses, and its jobs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gmbench import shards
from gmbench.datasets.manifest import TEST, ClipRow
from gmbench.errors import InputError, WeightsError
from gmbench.media import encode_video
from gmbench.methods.dicetalk.jobs import class_names, fit_all, training_jobs
from gmbench.methods.dicetalk.method import DiceTalk
from gmbench.methods.interface import (
    Drivers,
    EmbedsEmotion,
    EmotionSpec,
    GenRequest,
    Interpolates,
    MissingInput,
    NotSupported,
    PreparedDataset,
    ReferenceClip,
    RefusesTrainings,
    UnsupportedEmotion,
)
from tests.methods.dicetalk.made import SMALL_SETTINGS, made_clips, write_networks

SOUND = np.random.default_rng(0).normal(0, 2000, 13 * 640).astype(np.int16)


@pytest.fixture(scope="module")
def method(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("dicetalk")
    write_networks(folder)
    loaded = DiceTalk()
    loaded.load(folder)
    return loaded


def _request(**changes):
    picture = np.random.default_rng(1).integers(0, 255, (48, 48, 3)).astype(np.uint8)
    return replace(GenRequest("clip", SOUND, EmotionSpec({"happy": 1.0}), source_image=picture), **changes)


def _reference(**changes):
    clip = made_clips()[2]
    return replace(ReferenceClip("sad one", "sad.mp4", SOUND, clip.beta[:12], clip.rho[:12]), **changes)


def _frames(method, request):
    return np.stack(list(method.generate(request).frames))


def test_protocols():
    for protocol in (Interpolates, EmbedsEmotion):
        assert isinstance(DiceTalk(), protocol)


def test_a_label_gives_a_video_that_the_seed_decides(method):
    frames = _frames(method, _request())
    assert frames.shape == (13, 32, 32, 3)
    assert frames.dtype == np.uint8
    assert np.array_equal(frames, _frames(method, _request()))
    assert not np.array_equal(frames, _frames(method, _request(seed=1)))
    assert len(_frames(method, _request(audio=SOUND[:640]))) == 1
    assert len(_frames(method, _request(audio=np.tile(SOUND, 4)))) == 52


def test_emotions_come_from_label_video_or_sound(method):
    requests = {
        "label": _request(),
        "video": _request(emotion=EmotionSpec(clip="sad.mp4"), reference=_reference()),
        "audio": _request(emotion=EmotionSpec()),
    }
    priors = {}
    for source, request in requests.items():
        assert method.generate(request).meta["emotion_from"] == source
        priors[source] = method.embed_emotion(request)
    assert not np.allclose(priors["label"], priors["video"])
    assert np.allclose(priors["video"], method.embed_clip(_reference(), "both"))
    assert np.allclose(priors["audio"], method.embed_clip(_reference(), "sound"), atol=1e-5)
    half = method.embed_emotion(_request(emotion=EmotionSpec({"happy": 0.5, "sad": 0.5})))
    ends = [method.embed_emotion(_request(emotion=EmotionSpec({name: 1.0}))) for name in ("happy", "sad")]
    assert np.allclose(half, np.mean(ends, axis=0), atol=1e-5)


def test_options_change_the_video(method):
    usual = _frames(method, _request())
    for options in ({"guidance": 1.0}, {"emotion_guidance": 2.0}, {"steps": 3}):
        assert not np.array_equal(usual, _frames(method, _request(options=options)))
    same = _frames(method, _request(options={"emotion_guidance": 6.0, "guidance": 6.0}))
    assert np.abs(same.astype(int) - usual).max() <= 1  # a fourth pass at the third one's scale adds nothing
    with pytest.raises(NotSupported, match="DICE-Talk has no option 'sharpness'"):
        method.generate(_request(options={"sharpness": 1.0}))


def test_the_emotion_moves(method):
    moving = _frames(method, _request(emotion_end=EmotionSpec({"sad": 1.0})))
    assert not np.array_equal(moving, _frames(method, _request()))


def test_reconstruction_goes_through_the_autoencoder_alone(method, tmp_path):
    video = tmp_path / "scored.mp4"
    video.write_bytes(encode_video(iter(np.zeros((13, 48, 48, 3), np.uint8) + 20), SOUND, crf=12))
    scored = _request(drives=("reconstruct",), drivers=Drivers(video, video, video), emotion=EmotionSpec())
    assert _frames(method, scored).shape == (13, 32, 32, 3)


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"source_image": None}, MissingInput, "clip: DICE-Talk needs source_image"),
    ({"emotion": EmotionSpec({"fear": 1.0})}, UnsupportedEmotion, "fear was not learnt"),
    ({"emotion": EmotionSpec(clip="x.mp4")}, MissingInput, "needs the reference clip"),
    ({"emotion": EmotionSpec(clip="x.mp4"), "reference": _reference(expression=None)}, MissingInput,
     "sad one: no coefficients of this reference clip"),
    ({"audio": SOUND[:100]}, MissingInput, "shorter than one frame"),
    ({"drives": ("pose",)}, NotSupported, "DICE-Talk has no drive 'pose'"),
])  # fmt: skip
def test_what_is_missing_is_named(method, changes, error, message):
    with pytest.raises(error, match=message):
        method.generate(_request(**changes))


@pytest.mark.parametrize("way", ["prior", "hard_switch"])
def test_interpolation_runs_between_the_labels(method, way):
    ends = EmotionSpec({"happy": 1.0}), EmotionSpec({"sad": 1.0})
    steps = method.interpolate(_request(), *ends, 5, way)
    assert [step.meta["alpha"] for step in steps] == [0, 0.25, 0.5, 0.75, 1]
    pictures = [np.stack(list(step.frames)) for step in steps]
    assert all(picture.shape == (1, 32, 32, 3) for picture in pictures)
    if way == "hard_switch":
        assert np.array_equal(pictures[0], pictures[1])
    with pytest.raises(NotSupported, match="no way 'latent'"):
        method.interpolate(_request(), *ends, 3, "latent")


def test_a_missing_network_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"vae\.safetensors: not trained yet; run 'gmbench train --method dicetalk'"):
        DiceTalk().load(tmp_path)


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
        ("wo_bank", {"diffusion"}), ("learnable_ca", {"diffusion"}), ("wo_discrimination", {"diffusion"}),
        ("wo_prior", {"embedder", "diffusion"}), ("visual_only", {"embedder", "diffusion"}),
        ("wo_modality_dropout", {"embedder", "diffusion"}),
    ])  # fmt: skip
    def test_ablations_share_what_they_do_not_change(self, dataset, ablation, anew):
        def keys(*ablations, seed=0):
            settings = DiceTalk().settings(SMALL_SETTINGS, ablations)
            return {job.name: job.key for job in training_jobs(dataset, dataset, settings, seed)}

        whole, changed = keys(), keys(ablation)
        assert {name for name in whole if whole[name] != changed[name]} == anew
        assert not set(whole.values()) & set(keys(seed=1).values())

    def test_an_ablation_keeps_the_other_values_of_its_part(self):
        settings = DiceTalk().settings(SMALL_SETTINGS, ["wo_bank"])
        assert (settings.bank.kind, settings.bank.width) == ("none", 32)

    def test_what_came_is_of_one_seed_and_what_is_trained_of_any(self, dataset):
        trained = DiceTalk().settings(SMALL_SETTINGS, ["wo_bank"])
        assert isinstance(DiceTalk(), RefusesTrainings)
        DiceTalk().check_trainable(dataset, dataset, trained, 3)
        came = DiceTalk().settings({"source": "shipped"})
        with pytest.raises(InputError, match="trained at seed 0, not 2; set source of dicetalk to train"):
            DiceTalk().check_trainable(dataset, dataset, came, 2)

    def test_the_denoiser_waits_for_the_others(self, dataset):
        jobs = {job.name: job.needs for job in training_jobs(dataset, dataset, DiceTalk().settings(SMALL_SETTINGS), 0)}
        assert jobs == {"vae": (), "embedder": (), "diffusion": ("vae", "embedder")}

    def test_nothing_to_learn_from_and_unknown_names_are_named(self, dataset, tmp_path):
        tested = replace(dataset, rows=tuple(replace(row, split=TEST) for row in dataset.rows))
        with pytest.raises(InputError, match="d: no training clips"):
            list(training_jobs(tested, tested, DiceTalk().settings(SMALL_SETTINGS), 0))
        with pytest.raises(InputError, match="dicetalk has no stage 'hair'; it has vae, embedder and diffusion"):
            fit_all(dataset, dataset, tmp_path, DiceTalk().settings({}), 0, None, ["hair"])
        with pytest.raises(InputError, match=r"dicetalk: bank\.entrys"):
            DiceTalk().settings({"bank": {"entrys": 4}})
        for named, part, values in (
            ("embedder: track_people", "embedder", {"track_people": 2}),
            ("embedder: sound_again: track_people", "embedder", {"sound_again": {"track_people": 2}}),
            ("diffusion: drawn_people", "diffusion", {"drawn_people": 2}),
        ):
            settings = DiceTalk().settings(SMALL_SETTINGS | {part: values})
            with pytest.raises(InputError, match=f"dicetalk: {named} must be 0 for d"):
                list(training_jobs(dataset, dataset, settings, 0))

    def test_classes(self, dataset):
        rows = [replace(dataset.rows[0], emotion=e, level=v) for e, v in (("sad", 1), ("sad", 3), ("neutral", 1))]
        assert set(class_names(rows, "emotions")) == {"neutral", "sad"}
        assert set(class_names(rows, "emotions_levels")) == {"neutral", "sad/1", "sad/3"}
        assert class_names(rows[:1], "emotions") == []
