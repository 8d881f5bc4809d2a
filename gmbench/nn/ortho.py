"""Matrices with orthonormal columns from free parameters.

Source: Wang et al., "Latent Image Animator", ICLR 2022, section 3.2, and EDTalk, section 3.1.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Bases = Literal["orthonormal", "scaled"]


def orthonormal(raw: Tensor) -> Tensor:
    """Q (n, k) of raw = QR with a positive diagonal of R, so that orthonormal columns are their own; k <= n.

    Columns are made orthogonal in their order: the first ones depend on no later one. In float32, outside autocast.
    """
    with torch.autocast(raw.device.type, enabled=False):
        q, r = torch.linalg.qr(raw.float())
        signs = torch.where(r.diagonal() < 0, -1.0, 1.0)
        return q * signs


class ColumnBanks(nn.Module):
    """Several groups of columns of length n, orthonormal within and between groups.

    Args:
        size: n.
        counts: columns of each group, at most n together.
        bases: ``orthonormal``, or ``scaled``: each column is only brought to length 1.

    Raises:
        ValueError: more columns than ``size``.
    """

    def __init__(self, size: int, counts: Sequence[int], bases: Bases = "orthonormal") -> None:
        super().__init__()
        if sum(counts) > size:
            raise ValueError(f"{sum(counts)} columns of length {size} cannot be orthogonal")
        self.bases = bases
        self.raw = nn.ParameterList([nn.Parameter(torch.randn(size, count)) for count in counts])
        self._kept: tuple[tuple[int, ...], list[Tensor]] | None = None

    def forward(self) -> list[Tensor]:
        """The groups' bases (n, count); in evaluation mode they are kept until a parameter changes."""
        if self.training or any(part.requires_grad for part in self.raw):
            return self._groups()
        versions = tuple(part._version for part in self.raw)
        if self._kept is None or self._kept[0] != versions or self._kept[1][0].device != self.raw[0].device:
            self._kept = versions, self._groups()
        return self._kept[1]

    def _groups(self) -> list[Tensor]:
        raw = torch.cat(list(self.raw), 1)
        made = orthonormal(raw) if self.bases == "orthonormal" else raw / raw.norm(dim=0, keepdim=True)
        return list(made.split([part.shape[1] for part in self.raw], 1))
