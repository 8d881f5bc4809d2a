"""Corpus-trained extractors in the engine: small random networks in their files."""

import json

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from gmbench import weights
from gmbench.errors import InputError, WeightsError
from gmbench.evaluation import interpolation, validate
from gmbench.evaluation.planning import inputs, plan
from gmbench.evaluation.run import evaluate
from gmbench.evaluation.scoring import registry
from gmbench.extractors import landmarker
from gmbench.extractors.corpus import networks, training
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.reporting import validation_curves
from gmbench.stages import extractor_jobs, train_extractors
from tests.evaluation.helpers import protocol

SIZES = {"emotion": {"extras": 3}, "identity": {"outputs": 8}, "features": {"targets": 5}}
JUDGED = ["fid", "lpips_alex", "sync_c", "sync_d", "av_offset", "acc_emo", "emo_prob", "emo_score", "f_sim", "psnr"]


@pytest.fixture
def trained(tmp_path, monkeypatch):
    torch.manual_seed(0)
    folder = tmp_path / "extractors"
    for kind, network in networks.NETWORKS.items():
        sizes = SIZES.get(kind, {})
        networks.write(folder / f"{kind}.safetensors", kind, network(**sizes), sizes, {"failed": []})
    monkeypatch.setenv("GMBENCH_EXTRACTORS", str(folder))
    return folder


def planned(heads, metrics=JUDGED, controls=("ground_truth",)):
    given = inputs.gather([f"near={heads / 'near'}"], reference=heads / "reference", labels=heads / "labels.csv")
    chosen = registry.select(metrics, True)
    return plan.make_plan(given.methods, "heads", protocol(extractors="corpus"), chosen, controls, given.references)


@pytest.mark.slow
def test_they_have_the_same_names_under_keys_of_their_own(heads, trained, tmp_path):
    table = evaluate(planned(heads), tmp_path / "store")
    assert set(table["status"]) == {"ok"}
    assert set(table["metric"]) == {f"{name}_fb:corpus" for name in JUDGED if name != "psnr"} | {"psnr"}
    assert set(table[table["metric"] != "psnr"]["backend"]) == {"fallback:corpus"}
    truth = table[table["method"] == "ground_truth"].set_index("metric_name")
    assert truth.loc["fid", "value"].max() == pytest.approx(0, abs=1e-6)
    assert (truth.loc["lpips_alex", "value"] == 0).all()
    two = evaluate(planned(heads), tmp_path / "two", workers=2)
    assert table.equals(two)


def test_one_that_failed_its_validation_is_refused(trained):
    path = trained / "emotion.safetensors"
    networks.write(path, "emotion", networks.EmotionNet(3), {"extras": 3}, {"failed": ["does not respond to blur."]})
    with pytest.raises(WeightsError, match=r"failed its validation .does not respond to blur"):
        weights.load_path("corpus_emotion")
    with pytest.raises(WeightsError, match="it holds emotion"):
        networks.read(path, "identity")


def test_the_plan_leaves_out_what_a_failed_extractor_would_say(heads, trained, tmp_path):
    networks.write(
        trained / "identity.safetensors", "identity", networks.Encoder(8), {"outputs": 8}, {"failed": ["no response."]}
    )
    given = inputs.gather([f"near={heads / 'near'}"], reference=heads / "reference", labels=heads / "labels.csv")
    chosen = registry.select(JUDGED, True)
    made = plan.make_plan(given.methods, "heads", protocol(extractors="corpus"), chosen, explicit=False)
    assert "f_sim" not in {metric.name for metric in made.metrics}
    assert "acc_emo" in {metric.name for metric in made.metrics}
    assert "failed its validation (no response.)" in made.warnings[0]
    with pytest.raises(WeightsError, match="failed its validation"):
        planned(heads, ["f_sim"])


@pytest.mark.slow
def test_validation_draws_every_curve_and_says_what_is_wrong(heads, trained, tmp_path):
    base = planned(heads, ["psnr", "ssim", "sync_c", "acc_emo", "f_sim"])
    chosen = validate.chosen(["blur", "noise", "late", "labels", "identity_swap", "rate", "reencode", "shuffle"])
    spoilt = validate.corrupted(base, chosen)
    assert {clip.method for clip in spoilt.clips} >= {"unchanged", "blur=4", "late=10", "labels=0.5", "rate=15"}
    found = validate.curves(evaluate(spoilt, tmp_path / "store"), chosen)
    by = {(c.metric.split("_fb:")[0], c.corruption): c for c in found}
    assert by["psnr", "blur"].strict
    assert by["psnr", "blur"].rho == pytest.approx(1)
    assert by["ssim", "noise"].verdict == ""
    assert by["psnr", "reencode"].strict
    assert by["psnr", "late"].verdict == ""
    assert not by["psnr", "late"].expected
    text = validation_curves.markdown(found)
    assert "| psnr |" in text
    assert all(c.verdict in text for c in found if c.verdict)
    validation_curves.draw(found, tmp_path / "curves.png")
    assert cv2.imread(str(tmp_path / "curves.png")) is not None
    json.dumps([c.as_json() for c in found], allow_nan=False)


def sequence(folder, name, frames):
    target = folder / name
    target.mkdir(parents=True)
    for k, frame in enumerate(frames):
        cv2.imwrite(str(target / f"alpha_{k / 16:.4f}.png"), frame)
    return target


class Detector:
    """A backend that finds the same face in every picture."""

    name, version = "fixed", 1

    def weights_sha256(self):
        return ""

    def open(self, sidecar=None):
        import contextlib

        from gmbench.face.faces import Face
        from gmbench.face.landmarks_68 import template_3d

        points = template_3d()[:, :2] * [1, -1] * 4 + 64
        return contextlib.nullcontext(lambda frame: [Face(points)])


def test_sequences_are_read_scored_and_guarded(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(interpolation.face_landmarks, "backend", lambda name: Detector())
    rng = np.random.default_rng(0)
    a, b = (cv2.GaussianBlur(rng.integers(0, 256, (128, 128, 3)).astype(np.uint8), (0, 0), 4) for _ in range(2))
    mixed = [cv2.addWeighted(a, 1 - k / 16, b, k / 16, 0) for k in range(17)]
    sequence(tmp_path / "ours", "M003_fear-sad", mixed)
    sequence(tmp_path / "frozen", "M003_fear-sad", [a] * 17)
    table = interpolation.score_sequences(
        {"ours": tmp_path / "ours", "frozen": tmp_path / "frozen"}, "d", protocol(extractors="corpus")
    )
    values = table.set_index(["method", "metric_name"])["value"]
    monkeypatch.setattr(interpolation.perceptual, "path_length", lambda steps: 1 / 0 if steps.any() else 0.0)
    broken = interpolation.score_sequences(
        {"ours": tmp_path / "ours", "frozen": tmp_path / "frozen"}, "d", protocol(extractors="corpus")
    )
    assert broken.groupby("method")["status"].unique().map(list)["ours"] == ["failed"]
    assert broken[broken["method"] == "ours"]["reason"].str.contains("M003_fear-sad: ZeroDivisionError").all()
    assert broken[broken["method"] == "frozen"]["value"].notna().any()
    assert set(table["metric"]) == {f"{n}_fb:corpus" for n in ("e_ppl", "e_pdv", "e_ppl_rel", "e_end", "e_end_acc")}
    assert values["ours", "e_ppl"] > 0
    assert values["ours", "e_end"] > 0
    assert values["ours", "e_ppl_rel"] >= 1
    assert values["frozen", "e_ppl"] == values["frozen", "e_pdv"] == values["frozen", "e_end"] == 0
    assert np.isnan(values["frozen", "e_ppl_rel"])
    undefined = table[(table["method"] == "frozen") & (table["metric_name"] == "e_ppl_rel")].iloc[0]
    assert (undefined["status"], undefined["reason"]) == ("undefined", "the ends do not differ")


def test_bad_sequences_are_named(tmp_path):
    folder = sequence(tmp_path / "a", "M003_fear-sad", [np.zeros((8, 8, 3), np.uint8)] * 16)
    with pytest.raises(InputError, match="expected 17 files"):
        interpolation.find_sequences(tmp_path / "a")
    (folder / "alpha_1.0000.png").write_bytes(b"")
    assert interpolation.find_sequences(tmp_path / "a")[0].start == "fear"
    folder.rename(tmp_path / "a" / "something")
    with pytest.raises(InputError, match="from which emotion to which"):
        interpolation.find_sequences(tmp_path / "a")
    (tmp_path / "a" / "something" / "sequence.json").write_text('{"from": "Anger", "to": "happy", "speaker": "S"}')
    found = interpolation.find_sequences(tmp_path / "a")[0]
    assert (found.start, found.end, found.speaker, found.variant) == ("angry", "happy", "S", "static")
    with pytest.raises(InputError, match="no such folder"):
        interpolation.find_sequences(tmp_path / "none")
    with pytest.raises(InputError, match="--interpolation"):
        registry.select(["e_ppl"], True)


def test_training_learns_and_repeats():
    rng = np.random.default_rng(0)
    emotion = np.arange(16) % 8
    chips = rng.integers(0, 60, (16, 2, 64, 64, 3)).astype(np.uint8)
    for take, number in enumerate(emotion):  # a bright bar for each emotion
        chips[take, :, 8 * number : 8 * number + 8] = 250
    faces = training.Faces(chips, np.tile(np.eye(2, 3), (16, 2, 1, 1)))
    recipe = training.TrainingSettings(40, 8)
    extras = rng.normal(size=(16, 2, 3)).astype(np.float32)
    both = np.stack([extras, -extras], axis=2)
    first, again = (training.train_emotion(faces, emotion, both, recipe).eval() for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    with torch.inference_mode():
        features = first.features(networks.as_input(chips.reshape(-1, 64, 64, 3))).unflatten(0, (16, 2))
        assert (first.logits(features).argmax(1).numpy() == emotion).mean() > 0.5
    vgg = training.train_emotion_vgg(faces, emotion, recipe)
    assert len(vgg.maps(networks.as_input(chips[:1, 0]))) == 4
    training.train_identity(faces, recipe)
    for steps in (1, 5, 40):
        training.train_features(chips, extras, training.TrainingSettings(steps, 8))


@pytest.mark.parametrize("steps", [1, 5, 6])
def test_the_landmarker_trains_for_any_number_of_steps(steps):
    frames, points = np.full((4, 96, 96, 3), 128, np.uint8), np.full((4, 5, 2), 48.0)
    network = landmarker.train(frames, points, landmarker.LandmarkerSettings(steps, 2))
    assert landmarker.predict(network, frames).shape == (4, 5, 2)


def test_the_landmarker_learns_where_a_dot_is():
    generator = np.random.default_rng(0)
    points = generator.uniform(30, 66, (200, 1, 2))
    rows, columns = np.mgrid[:96, :96]
    distance = (columns[None] + 0.5 - points[:, :1, 0, None]) ** 2 + (rows[None] + 0.5 - points[:, :1, 1, None]) ** 2
    frames = np.repeat((40 + 200 * np.exp(-distance / 18)).astype(np.uint8)[..., None], 3, axis=3)
    network = landmarker.train(frames[:160], points[:160], landmarker.LandmarkerSettings(50, 6))
    error = np.linalg.norm(landmarker.predict(network, frames[160:]) - points[160:], axis=-1)
    assert np.median(error) < 2.0  # half a pixel of the heatmap; a blind guess is off by 13


def test_the_emotion_classifier_says_the_same_of_a_mirrored_face():
    torch.manual_seed(0)
    network = networks.EmotionNet(3).eval()
    chips = torch.rand(5, 3, 64, 64) - 0.5
    with torch.inference_mode():
        found = network.classify(network.both_ways(chips)[None])
        mirrored = network.classify(network.both_ways(chips.flip(3))[None])
        one_way = network.logits(network.features(chips)[None]).double().softmax(1)
    assert torch.allclose(found, mirrored, atol=1e-7)
    assert not torch.allclose(found, one_way, atol=1e-6)
    assert torch.allclose(found.sum(), torch.ones((), dtype=torch.float64))


def test_faces_are_cut_out_where_they_are_and_mirrored_where_they_say():
    frames = np.zeros((2, 40, 96, 96, 3), np.uint8)
    frames[:, :, 10:74, 20:52] = 200  # the left half of the chip
    matrix = np.array([[1.0, 0.0, -20.0], [0.0, 1.0, -10.0]])
    faces = training.Faces(frames, np.tile(matrix, (2, 40, 1, 1)))
    assert np.array_equal(faces.chips(), frames[:, :, 10:74, 20:84])
    torch.manual_seed(0)
    seen, mirrored = faces.augmented(np.repeat([0, 1], 40), np.tile(np.arange(40), 2))
    assert 20 < mirrored.sum() < 60
    assert np.array_equal(seen[:, 0, 32, 56].numpy() > seen[:, 0, 32, 8].numpy(), mirrored)
    edges = (seen[:, 0, 32].diff().abs().numpy() > 0.1).sum(axis=1)
    assert edges.mean() < 2.5  # as sharp as one resampling leaves it


def test_actions_in_the_mirror_are_those_of_the_mirrored_face():
    model = synthetic_model()
    names = model.names["expression"]
    basis = model.expression_basis[..., : len(names)]
    distance, partner = cKDTree(model.mean).query(model.mean * [-1, 1, 1])
    paired = distance < 1e-3 * np.ptp(model.mean[:, 0])
    assert paired.mean() > 0.9
    for name, action in zip(names, np.eye(len(names), dtype=np.float32), strict=True):
        shown, mirrored = basis @ action, basis @ extractor_jobs.mirrored_actions(action, names)
        difference = mirrored[paired] - shown[partner[paired]] * [-1, 1, 1]
        assert np.linalg.norm(difference) < 0.25 * np.linalg.norm(shown), name  # lips that touch share their partners


def test_an_extractor_is_admitted_by_the_levels_that_count():
    def curve(values, corruption="late", levels=(0.0, 1.0, 2.0, 5.0, 10.0)):
        return validate.Curve(
            "sync_c_fb:corpus", corruption, "frames", levels, values, 0.9, False, True, "Sync-C wiggles"
        )

    wiggle_at_one = curve((0.54, 0.537, 0.541 - 0.003, 0.52, 0.50))
    assert not wiggle_at_one.worsens()
    assert wiggle_at_one.worsens((0, 2, 5, 10))
    assert train_extractors.failed("syncnet", [wiggle_at_one]) == []
    assert train_extractors.failed("syncnet", [curve((0.54, 0.53, 0.50, 0.52, 0.50))]) == ["Sync-C wiggles"]
    assert train_extractors.failed("syncnet", [curve((0.54, np.nan, np.nan, np.nan, np.nan))]) == []
    assert curve((0.54, np.nan, 0.53, 0.52, 0.51)).worsens()
