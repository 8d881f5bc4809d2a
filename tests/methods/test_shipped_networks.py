"""Networks that come with gmbench: they fit the code and the profiles, and stand in for no others."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load

from gmbench import config
from gmbench.datasets.manifest import ClipRow
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError, WeightsError
from gmbench.methods import registry, shipped_networks
from gmbench.methods.checkpoint import CheckpointFormat
from gmbench.methods.dicetalk.settings import Sampling
from gmbench.methods.dicetalk.video_generator import VideoGenerator
from gmbench.methods.edtalk.backbone_training import load_backbone
from gmbench.methods.edtalk.teachers import load_teachers
from gmbench.methods.interface import PreparedDataset, TrainedPart
from gmbench.methods.shipped_networks import data_facts, shipped_facts, take_shipped
from gmbench.methods.training_jobs import TrainingFolder, TrainingJob
from tools import shipped_systems

FORMAT = CheckpointFormat("toy", {"net": 1})
SETTINGS = {"settings": {"width": 2, "train": {"steps": 5}}}
DEVICE = "one GPU"


def _clips(*names):
    return [ClipRow(f"toy/{name}", "toy", name, "happy", 1, "001", f"{name}.mp4", "") for name in names]


@pytest.fixture
def dataset(tmp_path):
    """A corpus of two clips of two people, of which only the tables are there."""
    truth = tmp_path / "data" / "truth"
    truth.mkdir(parents=True)
    people = {"speaker": ["a", "b"], "shape": [np.array([0.5, -1.0]), np.array([0.0, 2.0])]}
    pd.DataFrame(people).to_parquet(truth / "speakers.parquet")
    pd.DataFrame({"clip_id": ["toy/a", "toy/b"], "frames": [50, 51]}).to_parquet(truth / "clips.parquet")
    nowhere = tmp_path / "none"
    return PreparedDataset(
        "toy", tuple(_clips("a", "b")), *(nowhere,) * 5, {"extractor": "logmel"}, nowhere, tmp_path / "data", 64
    )


@pytest.fixture
def shipped(tmp_path, monkeypatch, dataset):
    """A network that came with gmbench."""
    monkeypatch.setattr(shipped_networks, "ROOT", tmp_path / "systems")
    monkeypatch.setattr(shipped_systems, "ROOT", tmp_path / "systems")
    shipped_facts.cache_clear()
    network = torch.nn.Linear(2, 1)
    path = tmp_path / "net.safetensors"
    path.write_bytes(FORMAT.pack("net", network, SETTINGS))
    part = TrainedPart("net", 7, 2.5, 3, 1, losses=({"step": 7.0, "loss": 0.5},))
    shipped_systems.put("toy", [part], {"net": path}, dataset, DEVICE)
    yield network
    shipped_facts.cache_clear()


def _never(argument, folder):
    raise AssertionError("trained")


JOB = TrainingJob("net", "key", _never, None, ("other",))


def test_a_shipped_network_stands_in_for_its_training(shipped, dataset, tmp_path):
    job = take_shipped("toy", JOB, dataset, SETTINGS)
    assert (job.needs, job.key == JOB.key) == ((), False)
    content, report = job.function(job.argument, TrainingFolder(tmp_path, {}, lambda *_: None))
    read = load(content)
    assert {x.dtype for x in read.values()} == {torch.float32}
    torch.testing.assert_close(read["weight"], shipped.weight.detach(), atol=0, rtol=1e-3)
    (tmp_path / "again.safetensors").write_bytes(content)
    assert FORMAT.read_facts(tmp_path / "again.safetensors", "net")["settings"] == SETTINGS["settings"]
    assert (report.steps, report.seconds, report.device) == (7, 2.5, DEVICE)
    assert report.log == [{"step": 7.0, "loss": 0.5}]


def test_how_long_it_was_trained_may_differ(shipped, dataset):
    longer = {"settings": {"width": 2, "train": {"steps": 500}}}
    assert take_shipped("toy", JOB, dataset, longer).needs == ()


def test_networks_that_did_not_come_are_trained(shipped, dataset):
    other = replace(JOB, name="other")
    assert take_shipped("toy", other, dataset, SETTINGS) is other


def test_a_system_of_which_nothing_came_says_so(shipped, dataset):
    with pytest.raises(
        WeightsError, match="unknown: no networks came with this gmbench; set source of unknown to train"
    ):
        take_shipped("unknown", JOB, dataset, SETTINGS)


def test_other_settings_are_refused_with_both_values(shipped, dataset):
    with pytest.raises(InputError, match="settings: width is 3, there 2; set source of toy to train"):
        take_shipped("toy", JOB, dataset, {"settings": {"width": 3}})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rows": tuple(_clips("a"))}, "clips is"),
        ({"truth": None}, "corpus is toy"),
        ({"fitted": True}, "fitted is True"),
        ({"audio_facts": {"extractor": "hubert"}}, "audio is"),
    ],
)
def test_other_data_are_refused(shipped, dataset, change, reason):
    with pytest.raises(InputError, match=f"trained on other data than toy: {reason}"):
        take_shipped("toy", JOB, replace(dataset, **change), SETTINGS)


def test_the_order_of_clips_does_not_matter(dataset):
    assert data_facts(replace(dataset, rows=tuple(reversed(dataset.rows)))) == data_facts(dataset)


def test_a_damaged_file_is_named(shipped, dataset, tmp_path):
    (tmp_path / "systems" / "toy" / "net.safetensors").write_bytes(b"cut")
    with pytest.raises(WeightsError, match=r"net\.safetensors: not the file that came with gmbench"):
        take_shipped("toy", JOB, dataset, SETTINGS)


@pytest.mark.parametrize("system", shipped_systems.RECIPES)
def test_what_is_shipped_fits_the_code(system):
    assert shipped_systems.problems(system) == []
    size = sum(network["bytes"] for network in shipped_facts(system)["networks"].values())
    assert size < 10 * 2**20


def _unpacked(system, folder):
    """The shipped networks of a system as training writes them."""
    for name, facts in shipped_facts(system)["networks"].items():
        path = shipped_networks.ROOT / system / f"{name}.safetensors"
        content, _ = shipped_networks._read((path, facts), TrainingFolder(folder, {}, lambda *_: None))
        (folder / path.name).write_bytes(content)


def test_what_is_shipped_can_be_loaded(tmp_path):
    _unpacked("edtalk", tmp_path)
    assert load_backbone(tmp_path / "backbone.safetensors").settings.mouth == 20
    assert load_teachers(tmp_path / "teachers.safetensors").face.sizes["emotions"] == len(SUITE_ORDER)
    _unpacked("dicetalk", tmp_path)
    made = VideoGenerator(tmp_path, Sampling(), torch.device("cpu"))
    assert set(made.emotions) == set(SUITE_ORDER)


def test_one_network_can_be_made_anew():
    with pytest.raises(InputError, match="edtalk ships backbone, teachers, and no lips"):
        shipped_systems.chosen("edtalk", "lips")
    assert shipped_systems.chosen("edtalk", "teachers") == ["teachers"]
    assert shipped_systems.chosen("edtalk", None) == ["backbone", "teachers"]


@pytest.mark.parametrize("profile", ["demo", "peers"])
@pytest.mark.parametrize("system", shipped_systems.RECIPES)
def test_what_is_shipped_is_what_the_profiles_ask_for(system, profile):
    given = yaml.safe_load(config.profiles()[profile])["systems"][system]
    assert given["source"] == "shipped"
    settings = registry.create(system).settings(given).model_dump(mode="json")
    for name in shipped_systems.RECIPES[system]:
        made = shipped_networks._facts_of(shipped_networks.ROOT / system / f"{name}.safetensors")
        assert shipped_networks._differences(settings[name], made["settings"]) == []
