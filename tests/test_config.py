"""Profiles and ``params.yaml``: complete, strict, and helpful with names of before."""

import re
from pathlib import Path

import pytest
import yaml

from gmbench import config, params_check
from gmbench.errors import InputError
from gmbench.methods.registry import read_method_settings
from tools.sources import ROOT


@pytest.mark.parametrize("name", sorted(config.profiles()))
def test_profiles_are_complete(name, tmp_path):
    config.use_profile(name, tmp_path / "params.yaml")
    assert config.load(tmp_path / "params.yaml").profile == name


def test_params_of_a_clone_are_the_profile_demo():
    assert (ROOT / "params.yaml").read_text("utf-8") == config.profiles()["demo"]


@pytest.mark.parametrize("name", sorted(config.profiles()))
def test_profiles_hold_no_name_or_key_that_is_not_known(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config.use_profile(name)
    assert params_check.problems(config.load(), files=False) == []


WRONG = [
    ("systems.gmtalker.head.perceptul", "none", "gmtalker: head.perceptul: unknown key; did you mean perceptual?"),
    ("systems.gmtalker.gmeg.kl_scal", 0.1, "gmeg.kl_scal: unknown key; did you mean kl_scale?"),
    ("systems.gmtalker.gmeg.weights.recc", 1, "gmeg.weights.recc: unknown key; did you mean rec?"),
    ("systems.gmtalker.nfmg.pretrain.step", 3, "nfmg.pretrain.step: unknown key; did you mean steps?"),
    ("systems.gmtalker.head.ema", 2, "head.ema: Input should be less than 1"),
    ("systems.gmtalker.gmeg.prior", "mixtures", "gmeg.prior: 'mixtures' is unknown; did you mean mixture?"),
    ("systems.gmtalker.gmeg.width", "wide", "gmeg.width: Input should be a valid integer"),
    ("systems.gmtalker.nfmg.heads", 7, "nfmg: width 512 is no multiple of 7 heads"),
    ("systems.gmtalker.gmeg.window", [9, 3], "gmeg: window must go from a length to a longer one"),
    ("systems.gmtaker", {}, "systems: unknown method 'gmtaker'; did you mean gmtalker?"),
    ("systems.gmtalker", [], "systems.gmtalker: Input should be a valid dictionary"),
    ("datasets.mead.croop", "full", "datasets.mead.croop: unknown key; did you mean crop?"),
    ("datasets.mead.crop", "tubes", "datasets.mead.crop: 'tubes' is unknown; did you mean tube?"),
    ("datasets.mead.size", "large", "datasets.mead.size: Input should be a valid integer"),
    ("datasets.mead.kind", "meed", "datasets.mead.kind: .*did you mean mead"),
    ("audio.extractor", "hubrt", "audio.extractor: 'hubrt' is unknown; did you mean hubert?"),
    ("evaluatoin", {}, "evaluatoin: unknown key; did you mean evaluation"),
]  # fmt: skip


def _changed(profile, place, value):
    """A profile with a value at a place."""
    params = yaml.safe_load(config.profiles()[profile])
    *parts, last = place.split(".")
    there = params
    for part in parts:
        there = there.setdefault(part, {})
    there[last] = value
    return yaml.safe_dump(params)


@pytest.mark.parametrize(("place", "value", "message"), WRONG, ids=[place for place, _, _ in WRONG])
def test_a_wrong_key_or_value_is_named_when_the_file_is_read(place, value, message, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(_changed("paper", place, value))
    with pytest.raises(InputError, match=message):
        config.load(path)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("evaluate", ["meed"], "evaluate.0: 'meed' is no dataset of this run; did you mean mead"),
        ("pretrain_on", "voxceleb", "pretrain_on: 'voxceleb' is no dataset of this run; did you mean voxceleb2"),
        ("trained", ["gmtalker-wo_gmm"], "trained.0: .*no variant 'wo_gmm'; did you mean wo_gm"),
        ("methods", ["refti"], "methods.0: unknown method 'refti'"),
        ("datasets.lsp.models_of", "med", "datasets.lsp.models_of: 'med' is no dataset"),
        ("datasets.lsp.protocol", "ful", "datasets.lsp.protocol: unknown protocol 'ful'; did you mean full"),
        ("evaluation.metrics", ["psn"], "evaluation.metrics: unknown metric 'psn'; did you mean psnr"),
        ("evaluation.controls", ["sill"], "evaluation.controls: unknown control 'sill'; did you mean still"),
    ],
)
def test_names_that_nothing_has_are_found_before_the_first_stage(place, value, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config.FILE.write_text(_changed("paper", place, value))
    (problem,) = params_check.problems(config.load(), files=False)
    assert re.match(message, problem)
    with pytest.raises(InputError, match=rf"params.yaml: .*{message}"):
        params_check.require(config.load())


def test_files_of_the_user_that_are_missing_are_found_before_the_first_stage(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    config.use_profile("paper")
    code, _, err = call("profile", "check")
    assert code == InputError.exit_code
    for place in ("datasets.mead.root", "face_model.source", "audio.hubert", "systems.gmtalker.head.perceptual"):
        assert f"params.yaml: {place}: /datasets/" in err
    config.use_profile("demo")
    assert call("profile", "check")[0] == 0


def test_what_a_part_leaves_out_keeps_its_default(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(_changed("paper", "systems.gmtalker.head", {"train": {"steps": 5}, "weights": {"per": 0.5}}))
    head = read_method_settings("gmtalker", config.load(path).systems["gmtalker"]).head
    assert (head.train.steps, head.train.batch) == (5, 4)
    assert head.weights == {"l1": 1.0, "per": 0.5, "gan": 1.0}


@pytest.mark.parametrize(("crops", "sizes"), [(512, (256, 512)), (256, (256, 256)), (128, (128, 128))])
def test_heads_draw_pictures_of_their_datasets_size(crops, sizes):
    settings = read_method_settings("gmtalker", {"head": {}})
    chosen = settings.head.for_crops(crops)
    assert (chosen.size_in, chosen.size_out) == sizes
    asked = read_method_settings("gmtalker", {"head": {"size_in": 128, "size_out": 256}}).head.for_crops(crops)
    assert (asked.size_in, asked.size_out) == (128, 256)
    with pytest.raises(
        InputError, match=r"head.size_out: 500 \(crops of 500\) is no side that the head draws: 64, 128"
    ):
        settings.head.for_crops(500)
    with pytest.raises(InputError, match=r"head.size_in: 32"):
        settings.head.for_crops(32)
    assert settings.head.model_copy(update={"detail": True}).for_crops(32).size_in == 32


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("ours", {}, "settings of 'ours' are never read; they stand under its own name, 'gmtalker'"),
        ("flowvqtalker", {"expflow": {"degrees": 4.5}}, "degrees must be whole or .inf, got 4.5"),
        ("flowvqtalker", {"poseflow": {"width": 250}}, "width 250 is no multiple of 4 heads"),
        ("flowvqtalker", {"vqig": {"heads": 7, "width": 511}}, "size 256 is no multiple of 7 heads of vqig"),
        ("flowvqtalker", {"codebook": {"side": 48}}, "codebook.side"),
        ("flowvqtalker", {"codebook": {"widths": []}}, "codebook.widths"),
        (
            "dicetalk",
            {"unet": {"widths": [48, 64], "attention": [True, False], "heads": [4, 4]}},
            "multiples of 32 from 64 on, got 48",
        ),
        ("dicetalk", {"unet": {"widths": [64, 64]}}, "must name equally many levels"),
        ("dicetalk", {"diffusion": {"dropped": {"all": 0.9}}}, "nor sum to more than 1"),
        ("dicetalk", {"vae": {"channels": 8}}, "Stable Video Diffusion's autoencoder has 4 channels, got 8"),
        ("dicetalk", {"embedder": {"window": [9, 4]}}, "least and greatest number of frames, got [9, 4]"),
    ],
)
def test_settings_that_would_fail_late_or_be_ignored_are_refused(method, given, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_method_settings(method, given)


def test_files_that_a_loss_reads_are_named():
    settings = read_method_settings("flowvqtalker", {"codebook": {"perceptual": "/no/such.pth"}})
    assert settings.needed_files() == {"codebook.perceptual": Path("/no/such.pth")}


def test_unknown_keys_and_profiles_are_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(config.profiles()["demo"].replace("workers: 2", "workerz: 2"))
    with pytest.raises(InputError, match="workerz"):
        config.load(path)
    path.write_text(config.profiles()["demo"].replace("\nfit: {", "\nfitt: {"))  # also missing under its right name
    with pytest.raises(InputError, match=r"fitt: unknown key; did you mean fit\?"):
        config.load(path)
    with pytest.raises(InputError, match="did you mean demo"):
        config.use_profile("dem", path)
    with pytest.raises(InputError, match="gmbench profile use demo"):
        config.load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("present", "former"), [("extractors: {", "evaluators: {"), ("extractors: corpus", "judges: corpus")]
)
def test_former_keys_are_refused_with_the_present_ones(present, former, tmp_path):
    path = tmp_path / "params.yaml"
    assert present in config.profiles()["demo"]
    path.write_text(config.profiles()["demo"].replace(present, former))
    with pytest.raises(InputError, match="is now called extractors; rename it"):
        config.load(path)


def test_an_edited_configuration_is_not_overwritten_unasked(tmp_path):
    path = tmp_path / "params.yaml"
    config.use_profile("demo", path)
    config.use_profile("quick", path)  # nothing of the user's is lost
    edited = yaml.safe_load(path.read_text()) | {"seed": 7}
    path.write_text(yaml.safe_dump(edited))
    with pytest.raises(InputError, match=r"was edited \(other than in its profile: seed\).*--force"):
        config.use_profile("demo", path)
    assert yaml.safe_load(path.read_text()) == edited
    config.use_profile("demo", path, force=True)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()), sort_keys=False))  # as dvc rewrites it
    config.use_profile("smoke", path)
    for text in ("a: [", "mine: 1", "- 1"):
        path.write_text(text)
        with pytest.raises(InputError, match="--force"):
            config.use_profile("demo", path)
        assert path.read_text() == text


def test_profiles_say_what_they_are_in_whole_sentences():
    for name, text in config.profiles().items():
        assert config.summary(text).endswith((".", ")")), name
