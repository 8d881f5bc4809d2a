"""Spaces of motion: from a latent to weights of bases, and back to what is added to the source's latent.

Source: EDTalk, section 3.1 and eq. 1.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.nn.ortho import ColumnBanks
from gmbench.nn.stylegan import SLOPE, EqualLinear

Bank = Literal["orthonormal", "scaled", "none"]
HEAD_LAYERS = 3


class MotionSpaces(nn.Module):
    """Navigation modules over a shared trunk, and banks of bases.

    Without a bank (``wo_bank``) the navigation modules give what is added itself, of size d, as their weights.

    Args:
        latent: d.
        counts: bases of each space by name; banks are made orthogonal in this order.
        bank: how bases come from free parameters.
        trunk_layers: of the part that all spaces share.
        activated: whether leaky rectifiers stand between the trunk's layers; without, it is one linear map.
    """

    def __init__(
        self, latent: int, counts: Mapping[str, int], bank: Bank = "orthonormal", trunk_layers: int = 4,
        activated: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.activated = activated
        self.sizes = dict.fromkeys(counts, latent) if bank == "none" else dict(counts)
        self.trunk = nn.ModuleList([EqualLinear(latent, latent) for _ in range(trunk_layers)])
        self.heads = nn.ModuleDict({name: _head(latent, size) for name, size in self.sizes.items()})
        self.banks = None if bank == "none" else ColumnBanks(latent, list(counts.values()), bank)

    def shared(self, latents: Tensor) -> Tensor:
        """(B, d) of latents (B, d) after the trunk."""
        for layer in self.trunk:
            latents = layer(latents)
            if self.activated:
                latents = F.leaky_relu(latents, SLOPE)
        return latents

    def weights(self, latents: Tensor, names: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Weights (B, n) in some spaces, all by default, of latents (B, d); eq. 1's W."""
        shared = self.shared(latents)
        return {name: self.heads[name](shared) for name in (self.sizes if names is None else names)}

    def features(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What weights (B, n) of some spaces add to the source's latent, (B, d) each; eq. 1's f."""
        if self.banks is None:
            return dict(weights)
        bases = dict(zip(self.sizes, self.banks(), strict=True))
        return {name: values @ bases[name].T for name, values in weights.items()}


def _head(latent: int, size: int) -> nn.Sequential:
    hidden = [EqualLinear(latent, latent) for _ in range(HEAD_LAYERS - 1)]
    return nn.Sequential(*hidden, EqualLinear(latent, size))
