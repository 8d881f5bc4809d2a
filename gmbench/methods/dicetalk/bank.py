"""Emotion bank: learnt entries that refine a prior by retrieval and correlation attention; DICE-Talk, section 3.2."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmbench.methods.dicetalk.settings import Bank
from gmbench.nn.vq import Codebook, k_means


@dataclass(frozen=True)
class Emotion:
    """What the bank makes of priors.

    Attributes:
        tokens: E_s (B, n, d).
        loss: eq. 17; zero without retrieval.
        indices: (B,) nearest entries; None without retrieval.
    """

    tokens: Tensor
    loss: Tensor
    indices: Tensor | None = None


class EmotionBank(nn.Module):
    """Priors (B, d_s) to emotion tokens (B, n, d); eqs. 9 to 13 and 17.

    A prior asks as n query tokens, and each entry answers as n keys and values, as in the released code: with the one
    vector that is printed for each, attention in training has a single key and nothing that asks is ever learnt.

    Args:
        settings: kind and sizes.
        prior: d_s.
    """

    def __init__(self, settings: Bank, prior: int) -> None:
        super().__init__()
        s = settings
        self.settings = s
        self.project = nn.Linear(prior, s.width)
        self.asking = _TokenNet(s.width, s.tokens, s.width)
        if s.kind == "bank":
            self.table = Codebook(s.entries, s.width, s.patience)
            nn.init.uniform_(self.table.codes, -1 / s.entries, 1 / s.entries)
            self.table.initialised.fill_(s.start == "uniform")
            self.answering = _TokenNet(s.width, s.tokens, s.width)
        elif s.kind == "learnable":
            self.free = nn.Parameter(torch.randn(s.entries, s.width))
        if s.kind != "none":
            self.query, self.key, self.value = (nn.Linear(s.width, s.width, bias=False) for _ in range(3))

    @torch.no_grad()
    def start(self, priors: Tensor) -> None:
        """Entries by k-means of priors (N, d_s), where the settings say so; by torch's global generator."""
        if self.settings.kind == "bank" and self.settings.start == "k_means":
            self.table.codes.copy_(k_means(self.project(priors), self.settings.entries))
            self.table.initialised.fill_(True)

    def forward(self, prior: Tensor, kept: Tensor | None = None, all_entries: bool = False) -> Emotion:
        """Tokens of priors.

        Args:
            prior: (B, d_s).
            kept: (B,) whether the emotion is there; else the prior and what is retrieved are zeros.
            all_entries: attention to every entry, as at generation, and not to the retrieved one.
        """
        s, asked = self.settings, self.project(prior)
        shown = torch.ones(len(prior), device=prior.device) if kept is None else kept.to(prior)
        queries = self.asking(asked * shown[:, None])
        if s.kind == "none":
            return Emotion(queries, prior.new_zeros(()))
        if s.kind == "learnable":
            return Emotion(self._attend(queries, self.free.expand(len(prior), -1, -1)), prior.new_zeros(()))
        found = self.table(asked)
        loss = found.code + s.commitment * found.commitment
        if all_entries:
            every = self.answering(self.table.codes).flatten(0, 1).expand(len(prior), -1, -1)
            nothing = self.answering(torch.zeros_like(asked))
            present = self._attend(queries, every)
            absent = self._attend(queries, nothing)
            return Emotion(torch.where(shown[:, None, None] > 0, present, absent), loss, found.indices)
        retrieved = self.answering(found.values * shown[:, None])
        return Emotion(self._attend(queries, retrieved), loss, found.indices)

    def whole_bank(self, count: int) -> Tensor:
        """Tokens (count, n, d) of no prior that still sees all entries: the released code's missing emotion."""
        nothing = self.project.weight.new_zeros(count, self.settings.width)
        if self.settings.kind != "bank":
            return self(nothing.new_zeros(count, self.project.in_features), nothing.new_zeros(count)).tokens
        every = self.answering(self.table.codes).flatten(0, 1).expand(count, -1, -1)
        return self._attend(self.asking(nothing), every)

    def _attend(self, queries: Tensor, memory: Tensor) -> Tensor:
        """Correlation attention of (B, n, d) on (B, m, d), without an output projection; eqs. 10 to 13."""
        heads = self.settings.heads
        parts = self.query(queries), self.key(memory), self.value(memory)
        query, key, value = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in parts)
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


class _TokenNet(nn.Module):
    """Vectors (B, w) to n normalised tokens (B, n, d): three layers, ReLU between."""

    def __init__(self, inputs: int, tokens: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, tokens * width)
        )
        self.norm, self.tokens = nn.LayerNorm(width), tokens

    def forward(self, x: Tensor) -> Tensor:
        """(B, n, d)."""
        return self.norm(self.layers(x).unflatten(-1, (self.tokens, -1)))
