"""Networks of image quality, by the package pyiqa of the extra ``iqa``, from files that the user got.

pyiqa fetches weights by itself and unpickles whatever they hold. Here its architectures are filled from files of the
weights folder, read as all others are; nothing is fetched.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.extractors.loading import fill, read_state
from gmbench.extras import extra

PACKAGE = "pyiqa"
FACE_SIDE = 512
FACE_POINTS = np.array(
    [[192.98138, 239.94708], [318.90277, 240.1936], [256.63416, 314.01935], [201.26117, 371.41043],
     [313.08905, 371.15118]]
)  # fmt: skip
"""Eye centres, nose tip and mouth corners in the 512-pixel crop that ``topiq_nr-face`` was trained on (facexlib)."""
FACE_BORDER = (132, 133, 135)
"""Grey outside the frame in that crop, RGB."""


def load_musiq(path: Path) -> Any:
    """MUSIQ with one output, as of ``musiq`` (KonIQ-10k); raises WeightsError, PackageError."""
    with extra("iqa"):
        from pyiqa.archs.musiq_arch import MUSIQ
    return fill(MUSIQ(pretrained=False), read_state(path), path)


def load_topiq_face(path: Path) -> Any:
    """TOPIQ on ResNet-50, as of ``topiq_nr-face``, without its face detector; raises WeightsError, PackageError."""
    return _topiq(path, semantic_model_name="resnet50", test_img_size=FACE_SIDE)


def load_topiq_aesthetic(path: Path) -> Any:
    """TOPIQ on a Swin transformer, as of ``topiq_iaa``; raises WeightsError, PackageError."""
    swin = "swin_base_patch4_window12_384"
    return _topiq(path, semantic_model_name=swin, inter_dim=512, num_heads=8, num_class=10)


def quality_rows(network: Any, pictures: Tensor) -> Tensor:
    """(B, 1) scores of RGB pictures (B, H, W, 3) of 0 to 255."""
    found: Tensor = network(pictures.permute(0, 3, 1, 2).float() / 255)
    return found.reshape(len(pictures), 1).float()


def quality(network: Any, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """:func:`quality_rows` of arrays, on the CPU."""
    with torch.inference_mode():
        return np.asarray(quality_rows(network, torch.from_numpy(np.ascontiguousarray(pictures))).numpy())


def _topiq(path: Path, **settings: Any) -> Any:
    with extra("iqa"):
        from pyiqa.archs import topiq_arch
    with _untrained_trunk(topiq_arch):
        network = topiq_arch.CFANet(
            model_name="from a file", use_ref=False, pretrained=False, backbone_pretrain=False, **settings
        )
    return fill(network, read_state(path), path)


@contextmanager
def _untrained_trunk(module: Any) -> Iterator[None]:
    """Around the making of a network: its Swin trunk always asks for ImageNet's weights, which the file replaces."""
    create = module.create_swin
    module.create_swin = lambda name, **settings: create(name, **(settings | {"pretrained": False}))
    try:
        yield
    finally:
        module.create_swin = create
