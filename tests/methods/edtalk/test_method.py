"""EDTalk as a method: what it takes, what it refuses, and its jobs."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gmbench import shards
from gmbench.api import generation
from gmbench.datasets.manifest import TEST, ClipRow
from gmbench.errors import InputError
from gmbench.media import Video, encode_video
from gmbench.methods.edtalk.jobs import fit_all, training_jobs
from gmbench.methods.edtalk.method import EDTalk
from gmbench.methods.edtalk.settings import Generation
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
    UnsupportedEmotion,
)
from gmbench.methods.pictures import draw_pictures
from gmbench.methods.registry import System
from gmbench.methods.training_jobs import TrainingFolder
from tests.methods.edtalk.made import made_sound

SOUND = made_sound(12)


@pytest.fixture(scope="module")
def method(trained):
    loaded = EDTalk()
    loaded.load(trained[0])
    return loaded


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Two videos of five frames, one of twelve, and one that is not square."""
    folder = tmp_path_factory.mktemp("films")
    generator = np.random.default_rng(0)
    sizes = {"a": (5, 32, 32), "b": (5, 48, 48), "long": (12, 32, 32), "wide": (5, 32, 48)}
    for name, (frames, height, width) in sizes.items():
        pictures = generator.integers(0, 255, (frames, height, width, 3)).astype(np.uint8)
        (folder / f"{name}.mp4").write_bytes(encode_video(iter(pictures), made_sound(frames), crf=12))
    return {name: folder / f"{name}.mp4" for name in sizes}


def _request(**changes):
    picture = np.random.default_rng(1).integers(0, 255, (48, 48, 3)).astype(np.uint8)
    return replace(GenRequest("clip", SOUND, EmotionSpec(), source_image=picture), **changes)


def _frames(method, request):
    return np.stack(list(method.generate(request).frames))


def test_protocols():
    assert isinstance(EDTalk(), Interpolates)
    assert isinstance(EDTalk(), EmbedsEmotion)


def test_sound_alone_gives_a_video(method):
    result = method.generate(_request())
    assert result.meta == {"seed": 0, "mouth": "sound", "pose": "sound", "expression": "sound"}
    assert np.stack(list(result.frames)).shape == (12, 16, 16, 3)
    assert np.array_equal(_frames(method, _request()), _frames(method, _request()))


def test_each_input_moves_its_own_weights(method):
    weights = {}
    for name, changes in {
        "plain": {}, "seed": {"seed": 1}, "cold": {"temperature": 0.0, "seed": 1}, "cold too": {"temperature": 0.0},
        "words": {"transcript": "so happy"}, "label": {"emotion": EmotionSpec({"sad": 1.0})},
        "silence": {"audio": np.zeros_like(SOUND)},
    }.items():  # fmt: skip
        weights[name] = method._weights(_request(**changes))[1]

    def moved(a, b):
        return {name for name in weights[a] if not np.allclose(weights[a][name], weights[b][name], atol=1e-6)}

    assert moved("plain", "seed") == {"pose"}
    assert moved("cold", "cold too") == set()
    assert moved("plain", "words") == {"expression"}
    assert moved("plain", "label") == {"expression"}
    assert {"mouth", "expression"} <= moved("plain", "silence")


def test_smoothed_poses_move_slower(method, monkeypatch):
    moves = []
    for width in (0.0, 1.0):
        monkeypatch.setattr(method, "generation", Generation(persistence=0.0, pose_smoothing=width))
        moves.append(float(method._pose(_request()).diff(dim=0).std()))
    assert moves[1] < 0.6 * moves[0]


def test_a_mouth_that_a_video_drives_goes_further_from_the_sources_own(method, films, monkeypatch):
    driven, heard = _request(drivers=Drivers(mouth=films["a"])), _request()
    source, plain, _ = method._weights(driven)
    own, former = method._own(source, "mouth"), method._weights(heard)[1]
    monkeypatch.setattr(method, "generation", Generation(driven_mouth_gain=3))
    further = method._weights(driven)[1]
    assert np.allclose(further["mouth"] - plain["mouth"], 2 * (plain["mouth"] - own), atol=1e-5)
    assert float((further["mouth"] - plain["mouth"]).abs().max()) > 1e-3
    assert all(np.array_equal(further[name], plain[name]) for name in ("pose", "expression"))
    assert all(np.array_equal(a, b) for a, b in zip(former.values(), method._weights(heard)[1].values(), strict=True))


@pytest.mark.parametrize("part", ["mouth", "pose", "expression"])
def test_each_driver_moves_its_own_weights(method, films, part):
    plain = method._weights(_request())[1]
    _, driven, meta = method._weights(_request(drivers=Drivers(**{part: films["a"]})))
    assert {name for name in plain if not np.allclose(plain[name], driven[name])} == {part}
    assert [name for name, gives in meta.items() if gives == "video"] == [part]
    assert np.allclose(driven[part][0], driven[part][8])  # five frames, to and fro


def test_one_video_drives_everything(method, films):
    video = films["long"]
    request = _request(drivers=Drivers(video, video, video), drives=("video",))
    assert set(method.generate(request).meta.values()) == {0, "video"}
    assert _frames(method, request).shape == (12, 16, 16, 3)
    with pytest.raises(MissingInput, match="EDTalk needs drivers"):
        method.generate(_request(drives=("video",)))


def test_a_clip_that_shows_the_emotion_gives_the_expression(method, films):
    reference = ReferenceClip("b", films["b"], made_sound(5))
    request = _request(emotion=EmotionSpec(clip=films["b"]), reference=reference, drives=("reference",))
    shown = method._weights(request)[1]["expression"]
    driven = method._weights(_request(drivers=Drivers(expression=films["b"])))[1]["expression"]
    assert np.array_equal(shown, driven)
    assert np.allclose(method.embed_emotion(request), shown.mean(0))
    for modality in method.modalities:
        assert method.embed_clip(reference, modality).shape == (10,)
    with pytest.raises(NotSupported, match="face, sound, not by 'both'"):
        method.embed_clip(reference, "both")


def test_labels_are_their_stored_weights_and_mix(method):
    labels = dict(zip(method.emotions, method.whole.labels, strict=True))

    def expression(**changes):
        return method._weights(_request(**changes))[1]["expression"].numpy()

    happy = expression(emotion=EmotionSpec({"happy": 1.0}))
    assert np.allclose(happy, labels["happy"])
    mixed = expression(emotion=EmotionSpec({"happy": 0.5, "sad": 0.5}))
    assert np.allclose(mixed, (labels["happy"] + labels["sad"]) / 2, atol=1e-6)
    moving = expression(emotion=EmotionSpec({"happy": 1.0}), emotion_end=EmotionSpec({"sad": 1.0}))
    assert np.allclose(moving[0], labels["happy"])
    assert np.allclose(moving[-1], labels["sad"])


def test_interpolation_runs_between_stored_weights(method):
    ends = EmotionSpec({"happy": 1.0}), EmotionSpec({"sad": 1.0})
    steps = method.interpolate(_request(), *ends, 5)
    assert [step.meta["alpha"] for step in steps] == [0, 0.25, 0.5, 0.75, 1]
    assert all(np.stack(list(step.frames)).shape == (1, 16, 16, 3) for step in steps)
    with pytest.raises(NotSupported, match="no way 'latent'"):
        method.interpolate(_request(), *ends, 3, "latent")


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"source_image": None}, MissingInput, "clip: EDTalk needs source_image"),
    ({"emotion": EmotionSpec({"fear": 1.0})}, UnsupportedEmotion, "fear was not learnt"),
    ({"audio": SOUND[:100]}, MissingInput, "shorter than one frame"),
    ({"drives": ("coefficients",)}, NotSupported, "EDTalk has no drive 'coefficients'"),
])  # fmt: skip
def test_what_is_missing_is_named(method, changes, error, message):
    with pytest.raises(error, match=message):
        method.generate(_request(**changes))


def test_a_driver_that_is_not_square_is_named(method, films):
    with pytest.raises(InputError, match=r"wide\.mp4: expected a square video of the face, as crops are, got 48x32"):
        method.generate(_request(drivers=Drivers(pose=films["wide"])))


def test_one_call_drives_a_picture_by_videos(method, films, tmp_path):
    out = tmp_path / "out.mp4"
    generation.generate(
        films["long"], out, method=method, source=films["b"], mouth_from=films["a"], pose_from=films["b"]
    )
    assert Video(out).info.frames == 12
    with pytest.raises(InputError, match="expression_from, emotion and reference each name the emotion"):
        generation.generate(films["a"], out, method=method, emotion="sad", expression_from=films["b"])
    deaf = SimpleNamespace(card=replace(EDTalk.card, drivers=("pose",)), speakers=())
    with pytest.raises(NotSupported, match="mouth_from: EDTalk takes pose from videos"):
        generation.generate(films["a"], out, method=deaf, mouth_from=films["b"])


@pytest.mark.parametrize(("name", "drives"), [
    ("edtalk-video", ("video",)), ("edtalk-reference-pose", ("pose", "reference")),
    ("edtalk-wo_bank-label", ("label",)),
])  # fmt: skip
def test_runs_have_the_drives_of_the_card(name, drives):
    assert System.parse(name).drives == drives
    card = EDTalk.card.driven_by(drives)
    assert card.pose == ("generate" if drives == ("label",) else "transfer")
    assert "motion" not in EDTalk.card.needs_under(drives)  # no coefficients of the scored clip


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
        ("wo_bank", {"decouple", "expression", "lips", "posemotion", "semantics"}),
        ("wo_fea", {"decouple", "expression", "lips", "posemotion", "semantics"}),
        ("wo_window", {"expression", "semantics"}), ("wo_eem", {"expression", "semantics"}),
        ("wo_sight", {"expression", "semantics"}),
        ("wo_sync", {"lips"}), ("mean_pose", {"posemotion"}), ("wo_mask", {"semantics"}),
    ])  # fmt: skip
    def test_ablations_share_what_they_do_not_change(self, dataset, ablation, anew):
        def keys(*ablations, seed=0):
            settings = EDTalk().settings({"expression": {"reads": "teacher"}}, ablations)
            return {job.name: job.key for job in training_jobs(dataset, dataset, settings, seed)}

        whole, changed = keys(), keys(ablation)
        assert {name for name in whole if whole[name] != changed[name]} == anew
        assert not set(whole.values()) & set(keys(seed=1).values())

    def test_words_change_only_what_reads_them_and_what_hears(self, dataset):
        spoken = replace(dataset, transcripts={"d/M1/sad/1/1": "so sad"})
        settings = EDTalk().settings({})
        keys = [{job.name: job.key for job in training_jobs(d, d, settings, 0)} for d in (dataset, spoken)]
        assert keys[0]["backbone"] == keys[1]["backbone"]
        assert keys[0]["semantics"] != keys[1]["semantics"]

    def test_further_people_are_of_the_corpus_and_in_the_keys_of_what_learns_from_them(self, dataset, monkeypatch):
        further = {"semantics": {"drawn": {"people": 2}}}
        with pytest.raises(InputError, match="edtalk: drawn: people of semantics must be 0 for d: they are people of"):
            list(training_jobs(dataset, dataset, EDTalk().settings(further), 0))
        monkeypatch.setattr("gmbench.methods.edtalk.jobs.check_corpus_people", lambda *_: None)
        assert EDTalk().settings({"teachers": {"drawn": {"people": 5}}}).after("semantics") == 5
        keys = [
            {job.name: job.key for job in training_jobs(dataset, dataset, EDTalk().settings(given), 0)}
            for given in ({}, further)
        ]
        assert {name for name in keys[0] if keys[0][name] != keys[1][name]} == {"semantics"}

    def test_drawn_clips_are_as_long_as_the_runs_that_lips_learn_from(self):
        with pytest.raises(InputError, match=r"lips.*frames must be at least the 5 of a run, got 4"):
            EDTalk().settings({"lips": {"drawn": {"people": 1, "frames": 4}}})

    @pytest.mark.parametrize(
        ("expression", "lips", "semantics", "drawings"),
        [
            ((2, 5), (2, 5), (2, 5), {"expression": "2 x 5", "lips": "2 x 5", "semantics": "2 x 5"}),
            ((2, 1), (3, 5), (3, 5), {"expression": "2 x 1", "lips": "3 x 5", "semantics": "3 x 5"}),
            ((2, 2), (0, 1), (2, 1), {"expression": "2 x 2", "semantics": "2 x 1"}),
            ((0, 1), (2, 5), (2, 1), {"lips": "2 x 5", "semantics": "2 x 1"}),
        ],
    )
    def test_networks_share_the_pictures_of_the_same_people(
        self, dataset, tmp_path, monkeypatch, expression, lips, semantics, drawings
    ):
        monkeypatch.setattr("gmbench.methods.edtalk.jobs.check_corpus_people", lambda *_: None)
        given = {"expression": expression, "lips": lips, "semantics": semantics}
        settings = EDTalk().settings({n: {"drawn": {"people": p, "frames": f}} for n, (p, f) in given.items()})
        jobs = {job.name: job for job in training_jobs(dataset, dataset, settings, 0)}
        found = {n: need for n in given for need in jobs[n].needs if need.startswith("further people, ")}
        assert found == {name: f"further people, {which}" for name, which in drawings.items()}
        need = found["semantics"]
        (data, _), drawn = jobs[need].argument, tmp_path / "drawn"
        drawn.write_bytes(jobs[need].function(jobs[need].argument, None)[0])
        pictures = data.pictures("semantics", TrainingFolder(tmp_path, {need: drawn}, lambda *_: None))
        alone = list(draw_pictures(data.further("semantics")[1], dataset.size, settings.backbone.side))
        assert np.array_equal(pictures, alone)
        assert len(alone) >= 2

    def test_who_waits_for_whom(self, dataset):
        jobs = {job.name: job.needs for job in training_jobs(dataset, dataset, EDTalk().settings({}), 0)}
        assert jobs == {
            "backbone": (), "decouple": ("backbone",), "teachers": (), "expression": ("decouple", "teachers"),
            "lips": ("decouple", "teachers"), "posemotion": ("decouple",), "semantics": ("expression",),
        }  # fmt: skip

    def test_nothing_to_learn_from_and_unknown_names_are_named(self, dataset, tmp_path):
        tested = replace(dataset, rows=tuple(replace(row, split=TEST) for row in dataset.rows))
        with pytest.raises(InputError, match="d: no training clips"):
            list(training_jobs(tested, tested, EDTalk().settings({}), 0))
        with pytest.raises(InputError, match="edtalk has no stage 'hair'; it has backbone, decouple"):
            fit_all(dataset, dataset, tmp_path, EDTalk().settings({}), 0, None, ["hair"])
        with pytest.raises(InputError, match=r"edtalk: spaces\.mouths"):
            EDTalk().settings({"spaces": {"mouths": 4}})
        with pytest.raises(InputError, match="side must be a power of two, got 48"):
            EDTalk().settings({"backbone": {"side": 48}})
