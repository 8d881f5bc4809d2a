"""Stand-ins for published weights and real pictures: for tests and benchmarks, never for numbers."""

import math
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def randomised(network: Network, seed: int = 0) -> Network:
    """Random weights under which signals neither die nor explode, and running statistics that are not 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
        elif name.endswith("running_mean"):
            value.copy_(torch.randn(value.shape, generator=generator) * 0.1)
        elif value.ndim > 1:
            fan = math.prod(value.shape[1:])
            value.copy_(torch.randn(value.shape, generator=generator) * math.sqrt(2 / fan))
        elif value.is_floating_point() and not name.startswith("L2Norm"):
            gain = 1.0 if name.endswith("weight") else 0.0
            value.copy_(gain + torch.randn(value.shape, generator=generator) * 0.1)
    return network.eval()


def coarse_pictures(count: int, side: int, seed: int = 0) -> NDArray[np.uint8]:
    """Pictures (count, side, side, 3) of 16 x 16 squares of random colours; ``side`` is a multiple of 16."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (count, 16, 16, 3)).astype(np.uint8)
    return np.stack([np.kron(picture, np.ones((side // 16, side // 16, 1), np.uint8)) for picture in small])


def pytorch_fid_network(state: dict[str, torch.Tensor]) -> nn.Module:
    """pytorch-fid's complete network with these weights in place of its download."""
    import pytorch_fid.inception as package
    from pytorch_fid.inception import FIDInceptionA, FIDInceptionC, FIDInceptionE_1, FIDInceptionE_2, InceptionV3
    from torchvision.models import inception_v3

    raw = inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
    raw.Mixed_5b, raw.Mixed_5c, raw.Mixed_5d = (FIDInceptionA(*a) for a in ((192, 32), (256, 64), (288, 64)))
    for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        setattr(raw, f"Mixed_{name}", FIDInceptionC(768, width))
    raw.Mixed_7b, raw.Mixed_7c = FIDInceptionE_1(1280), FIDInceptionE_2(2048)
    raw.load_state_dict(state)
    original, package.fid_inception_v3 = package.fid_inception_v3, lambda: raw
    try:
        return InceptionV3([3]).eval()
    finally:
        package.fid_inception_v3 = original
