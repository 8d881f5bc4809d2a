"""Profiles and ``params.yaml``: complete, strict, and helpful with names of before."""

import pytest
import yaml

from gmbench import config
from gmbench.errors import InputError
from tools.sources import ROOT


@pytest.mark.parametrize("name", ["smoke", "quick", "demo", "paper"])
def test_profiles_are_complete_and_the_project_holds_the_demo(name, tmp_path):
    config.use_profile(name, tmp_path / "params.yaml")
    assert config.load(tmp_path / "params.yaml").profile == name
    assert config.load(ROOT / "params.yaml").profile == "demo"


def test_unknown_keys_and_profiles_are_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(config.profiles()["demo"].replace("workers: 2", "workerz: 2"))
    with pytest.raises(InputError, match="workerz"):
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
