"""Networks of image quality from files with random weights, against the package's own; skipped without it."""

import socket
import sys

import pytest
import torch

from gmbench.errors import PackageError, WeightsError
from gmbench.extractors import image_quality
from tools.random_networks import coarse_pictures

SETTINGS = {
    "topiq_nr": {"semantic_model_name": "resnet50", "test_img_size": 512},
    "topiq_iaa": {
        "semantic_model_name": "swin_base_patch4_window12_384", "inter_dim": 512, "num_heads": 8, "num_class": 10,
    },
}  # fmt: skip


@pytest.fixture
def package(monkeypatch):
    """The package, and a machine without a network."""
    found = pytest.importorskip("pyiqa")

    def refused(*arguments):
        raise AssertionError("a download was tried")

    monkeypatch.setattr(socket.socket, "connect", refused)
    return found


def as_theirs(picture):
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255


def lively(network):
    generator = torch.Generator().manual_seed(5)
    for weights in network.parameters():
        if weights.dim() > 1:
            weights.data = torch.randn(weights.shape, generator=generator) * (1.4 / weights[0].numel() ** 0.5)
    return network


class _Nothing:
    """Finds no package called pyiqa."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pyiqa":
            raise ModuleNotFoundError(f"No module named {name!r}", name="pyiqa")


def test_without_the_package(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyiqa"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Nothing(), *sys.meta_path])
    with pytest.raises(PackageError, match=r"pyiqa is not installed.*pip install 'gmbench\[iqa\]'"):
        image_quality.load_musiq(tmp_path / "musiq.pth")


@pytest.mark.slow
def test_musiq_is_the_packages_own_for_mouths_of_any_size(package, tmp_path):
    from pyiqa.archs.musiq_arch import MUSIQ

    path = tmp_path / "musiq_koniq_ckpt-e95806b9.pth"
    torch.save(lively(MUSIQ(pretrained=False)).state_dict(), path)
    theirs = package.create_metric("musiq", device="cpu", pretrained=False, pretrained_model_path=str(path))
    ours = image_quality.load_musiq(path)
    for size in (41, 128):
        picture = coarse_pictures(1, size, size)[0][:, : size - 7]
        assert image_quality.quality(ours, picture[None])[0, 0] == pytest.approx(float(theirs(as_theirs(picture))))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "load"),
    [("topiq_nr", image_quality.load_topiq_face), ("topiq_iaa", image_quality.load_topiq_aesthetic)],
)
def test_topiq_is_the_packages_own(package, tmp_path, name, load):
    from pyiqa.archs import topiq_arch

    path, settings = tmp_path / "topiq.pth", SETTINGS[name] | {"pretrained": False, "backbone_pretrain": False}
    with image_quality._untrained_trunk(topiq_arch):
        network = lively(topiq_arch.CFANet(model_name="x", use_ref=False, **settings))
        torch.save({"params": network.state_dict()}, path)
        theirs = package.create_metric(name, device="cpu", pretrained_model_path=str(path), **settings)
    picture = coarse_pictures(1, 512, 3)[0]
    assert image_quality.quality(load(path), picture[None])[0, 0] == pytest.approx(
        float(theirs(as_theirs(picture))), abs=1e-4
    )


def test_a_file_of_another_network_is_refused(package, tmp_path):
    torch.save({"params": {"head.weight": torch.zeros(3)}}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="not the weights of MUSIQ"):
        image_quality.load_musiq(tmp_path / "other.pth")
