"""The stage that gives a run its corpus-trained networks: those that come with gmbench, or new ones."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
import yaml

from gmbench import config, weights
from gmbench.errors import InputError, WeightsError
from gmbench.extractors import landmarker
from gmbench.extractors.corpus import networks
from gmbench.stages import shipped_extractors, train_extractors
from gmbench.stages.corpus import corpus
from gmbench.stages.extractor_jobs import LANDMARKS
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.store import Store, file_digest
from gmbench.weights import files
from tools import extractors
from tools.sources import ROOT

SIZES = {"emotion": {"extras": 36}, "identity": {"outputs": 64}, "features": {"targets": 88}}
TINY = {
    "source": "train", "people": 20, "frames": 1, "held_out": 2, "emotion_steps": 2, "emotion_vgg_steps": 2,
    "syncnet_steps": 2, "identity_steps": 2, "features_steps": 2, "validation_clips": 2,
}  # fmt: skip


def configuration(**extractors):
    values = yaml.safe_load(config.profiles()["smoke"])
    values["extractors"] |= extractors
    values["landmarker"] |= {"steps": 2}
    return config.Params.model_validate(values)


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Small random networks in place of those that come with gmbench."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    torch.manual_seed(0)
    for kind, network in networks.NETWORKS.items():
        sizes = SIZES.get(kind, {})
        networks.write(folder / f"{kind}.safetensors", kind, network(**sizes), sizes, {"failed": []})
    landmarker.write(folder / "landmarker.safetensors", landmarker.Landmarker(len(LANDMARKS)), LANDMARKS)
    for name in (*shipped_extractors.KINDS, "validation"):
        write_json(folder / f"{name}.json", {"failed": []})
    recipe = shipped_extractors.recipe(configuration())
    facts = shipped_extractors.describe(folder, versions=train_extractors.versions(), recipe=recipe)
    write_json(folder / files.FACTS, facts)
    monkeypatch.setattr(files, "SHIPPED", folder)
    files.shipped_facts.cache_clear()
    yield folder
    files.shipped_facts.cache_clear()


def run_of(tmp_path, **extractors):
    return PipelineRun(configuration(**extractors), DatasetPaths("synth"), Store(tmp_path / "store"), quiet=True)


def test_networks_that_come_with_gmbench_are_copied(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train_extractors.prepare(run_of(tmp_path, source="shipped"), tmp_path / "nowhere")
    made = tmp_path / "models" / "extractors"
    corpus_digest = train_extractors.CORPUS_DIGEST
    assert {path.name for path in made.iterdir()} == {corpus_digest, *(path.name for path in shipped.iterdir())}
    assert all(file_digest(made / f"{k}.safetensors") == file_digest(shipped / f"{k}.safetensors") for k in SIZES)
    assert json.loads((made / files.FACTS).read_text())["source"] == "shipped"


def test_a_change_of_the_corpus_shows_though_the_networks_stay(shipped, tmp_path, monkeypatch):
    """Datasets of the corpus wait for models/extractors; DVC would keep their old manifests else."""
    monkeypatch.chdir(tmp_path)
    root, run = tmp_path / "data", run_of(tmp_path, source="shipped")
    (root / "truth").mkdir(parents=True)
    contents = []
    for text in ("a", "b", "a"):
        (root / "truth" / "clips.parquet").write_text(text)
        train_extractors.prepare(run, root)
        contents.append({path.name: file_digest(path) for path in (tmp_path / "models/extractors").iterdir()})
    assert contents[0] == contents[2]
    assert {n for n in contents[0] if contents[0][n] != contents[1][n]} == {train_extractors.CORPUS_DIGEST}


def test_other_settings_another_version_and_other_bytes_are_refused(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"extractors.emotion_steps is 7, theirs was 3000; .*source to train"):
        train_extractors.prepare(run_of(tmp_path, source="shipped", emotion_steps=7), tmp_path)
    monkeypatch.setattr(train_extractors, "CORPUS_VERSION", 99)
    with pytest.raises(InputError, match=r"made for corpus version \d+, this gmbench has 99"):
        train_extractors.prepare(run_of(tmp_path, source="shipped"), tmp_path)
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "SHIPPED", shipped)
    networks.write(shipped / "emotion.safetensors", "emotion", networks.EmotionNet(36), SIZES["emotion"], {})
    with pytest.raises(WeightsError, match=r"emotion.safetensors: sha256 .* reinstall gmbench"):
        train_extractors.prepare(run_of(tmp_path, source="shipped"), tmp_path)
    assert not (tmp_path / "models" / "extractors" / "emotion.safetensors").exists()


def test_an_evaluation_without_a_pipeline_finds_them(shipped, tmp_path, monkeypatch):
    """Those of the pipeline here go before, those that the environment names before all."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GMBENCH_EXTRACTORS", raising=False)
    assert weights.load_path("corpus_emotion")[0] == shipped / "emotion.safetensors"
    assert files.status("corpus_emotion")["source"] == "comes with gmbench"
    here = tmp_path / "models" / "extractors"
    here.mkdir(parents=True)
    assert files.trained_folder() == shipped
    shutil.copy(shipped / "emotion.safetensors", here)
    assert files.find("corpus_emotion").resolve() == here / "emotion.safetensors"
    assert files.find("corpus_syncnet") is None  # never of two sets
    monkeypatch.setenv("GMBENCH_EXTRACTORS", str(tmp_path / "named"))
    assert files.trained_folder() == tmp_path / "named"


@pytest.mark.slow
def test_new_ones_are_the_same_bytes_twice_and_say_how_far_they_differ(shipped, tmp_path, monkeypatch):
    written = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        run = run_of(tmp_path / name, **TINY)
        if not written:
            corpus(run, "synth", tmp_path / "data" / "synth")
        train_extractors.prepare(run, tmp_path / "data" / "synth")
        written.append({p.name: p.read_bytes() for p in (tmp_path / name / "models" / "extractors").iterdir()})
    assert written[0] == written[1]
    assert {path.removesuffix(".safetensors") for path in written[0]} >= set(shipped_extractors.KINDS)
    said = {kind: json.loads(written[0][f"{kind}.json"])["against_shipped"] for kind in shipped_extractors.KINDS}
    assert not any(facts["same_bytes"] for facts in said.values())
    assert all(0 <= said[kind]["same_emotion"] <= 1 for kind in ("emotion", "emotion_vgg"))
    assert said["landmarker"]["percent_iod"] > 0
    assert 0 <= said["syncnet"]["same_offset"] <= 1
    assert -1 <= said["identity"]["correlation_of_cosines"] < 1
    assert -1 <= said["features"]["correlation_of_outputs"] < 1
    made = json.loads(written[0][files.FACTS])
    assert made["recipe"]["extractors"]["people"] == 20
    assert set(made["data"]) == {"clips", "people"}
    assert "source" not in made["recipe"]["extractors"]


def test_those_of_the_package_are_made_for_todays_corpus_and_recipe():
    """Where this fails: python -m tools.extractors --write."""
    assert extractors.problems() == []
    assert sum(path.stat().st_size for path in files.SHIPPED.iterdir()) < 6e6


def test_a_wheel_holds_all_their_files(tmp_path):
    shutil.copytree(ROOT / "gmbench" / "weights", tmp_path / "gmbench" / "weights")
    (tmp_path / "gmbench" / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    script = "from setuptools import setup; setup()"
    command = [sys.executable, "-c", script, "-q", "build_py", "--build-lib", "built"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    built = tmp_path / "built" / "gmbench" / "weights" / "corpus"
    assert {path.name for path in built.iterdir()} == {path.name for path in files.SHIPPED.iterdir()}


@pytest.mark.parametrize("profile", config.profiles())
def test_every_profile_takes_them(profile):
    params = config.Params.model_validate(yaml.safe_load(config.profiles()[profile]))
    assert params.extractors.source == "shipped"
    recipe = shipped_extractors.recipe(params)
    assert shipped_extractors.misfits(files.shipped_facts(), train_extractors.versions(), recipe) == []


def test_settings_that_are_left_out_are_those_of_the_package():
    recipe = {"landmarker": config.LandmarkerSection(), "extractors": config.ExtractorsSection()}
    made = files.shipped_facts()["recipe"]
    assert {k: v.model_dump(include=made[k]) for k, v in recipe.items()} == made


def test_those_of_the_package_passed_their_validation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GMBENCH_EXTRACTORS", raising=False)
    for kind in shipped_extractors.KINDS:
        path, sha256 = weights.load_path(f"corpus_{kind}")
        assert path.parent == files.SHIPPED
        assert sha256 == files.shipped_facts()["networks"][kind]["sha256"]
        assert json.loads(path.with_suffix(".json").read_text())["failed"] == []
    landmarks = landmarker.read(files.SHIPPED / "landmarker.safetensors")[1]
    assert landmarks.tolist() == LANDMARKS.tolist()
    assert all(networks.read(files.SHIPPED / f"{kind}.safetensors", kind) is not None for kind in networks.NETWORKS)
