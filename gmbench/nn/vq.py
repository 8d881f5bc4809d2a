"""Vector quantisation: the nearest of N learnt vectors, with gradients passed straight through.

Source: van den Oord et al., 2017. FlowVQTalker's eq. 13 as an index that is then looked up.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROUNDS = 5
"""Of k-means, at the start."""


@dataclass(frozen=True)
class Quantised:
    """Vectors after quantisation.

    Attributes:
        values: like the input; gradients go to the input as if nothing had happened.
        indices: of the codes, the input's shape without its channels.
        code: mean squared distance that moves the codes alone.
        commitment: the same number, which moves the input alone.
    """

    values: Tensor
    indices: Tensor
    code: Tensor
    commitment: Tensor


class Codebook(nn.Module):
    """N codes of size d for maps (B, d, H, W) or rows (B, d).

    In training mode the first batch starts the codes by k-means, and a code that no vector of ``patience`` batches was
    nearest to starts again from a vector of the batch.

    Args:
        entries: N.
        size: d.
        patience: batches; 0 never starts a code again.
    """

    def __init__(self, entries: int, size: int, patience: int = 50) -> None:
        super().__init__()
        self.codes = nn.Parameter(torch.randn(entries, size) / entries)
        self.patience = patience
        self.register_buffer("initialised", torch.tensor(False))
        self.register_buffer("idle", torch.zeros(entries, dtype=torch.int64))

    def forward(self, z: Tensor) -> Quantised:
        """Quantise maps or rows."""
        rows = _rows(z)
        if self.training:
            self._prepare(rows.detach())
        indices = nearest(rows, self.codes)
        if self.training:
            self.idle += 1
            self.idle[indices] = 0
        chosen = self.codes[indices]
        code, commitment = F.mse_loss(chosen, rows.detach()), F.mse_loss(rows, chosen.detach())
        values = _like(rows + (chosen - rows).detach(), z)
        return Quantised(values, indices.view(z.shape[0], *z.shape[2:]), code, commitment)

    @torch.no_grad()
    def start_from(self, z: Tensor) -> None:
        """Start the codes by k-means of maps or rows, which should be many times as many as the codes."""
        self.codes.copy_(k_means(_rows(z), len(self.codes)))
        self.initialised.fill_(True)

    def nearest(self, z: Tensor) -> Tensor:
        """Indices (B, H, W) or (B,) of the codes nearest to maps or rows."""
        return nearest(_rows(z), self.codes).view(z.shape[0], *z.shape[2:])

    def look_up(self, indices: Tensor) -> Tensor:
        """Maps (B, d, H, W) of indices (B, H, W), or rows (B, d) of (B,)."""
        return self.codes[indices].movedim(-1, 1)

    @torch.no_grad()
    def _prepare(self, rows: Tensor) -> None:
        if not self.initialised:
            self.start_from(rows)
        elif self.patience and bool((lost := self.idle >= self.patience).any()):
            count = int(lost.sum())
            self.codes[lost] = rows[torch.randint(0, len(rows), (count,)).to(rows.device)]
            self.idle[lost] = 0


def nearest(rows: Tensor, codes: Tensor) -> Tensor:
    """Index (n,) of the code (N, d) nearest to each row (n, d)."""
    with torch.no_grad():
        return torch.cdist(rows, codes, compute_mode="use_mm_for_euclid_dist").argmin(1)


@torch.no_grad()
def k_means(rows: Tensor, entries: int) -> Tensor:
    """Centres (entries, d) of rows (n, d) after :data:`ROUNDS` rounds from random rows; repeated where rows are few."""
    order = torch.randperm(len(rows)).to(rows.device)
    centres = rows[order.repeat(-(-entries // len(rows)))[:entries]].clone()
    for _ in range(ROUNDS):
        indices = nearest(rows, centres)
        counts = torch.bincount(indices, minlength=entries)
        sums = torch.zeros_like(centres).index_add_(0, indices, rows)
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], centres)
    return centres


def usage(indices: Tensor, entries: int) -> tuple[float, float]:
    """Share of the codes that occur, and the perplexity of how often they do: both full where all occur alike."""
    counts = torch.bincount(indices.flatten(), minlength=entries).double()
    shares = counts / counts.sum()
    entropy = -(shares * shares.clamp_min(1e-12).log()).sum()
    return float((counts > 0).double().mean()), float(entropy.exp())


def _rows(z: Tensor) -> Tensor:
    return z.movedim(1, -1).reshape(-1, z.shape[1])


def _like(rows: Tensor, z: Tensor) -> Tensor:
    return rows.view(z.shape[0], *z.shape[2:], z.shape[1]).movedim(-1, 1)
