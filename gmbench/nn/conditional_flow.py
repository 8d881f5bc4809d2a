"""Invertible layers for one vector a row, under a context and a class: what FlowVQTalker's generators are made of.

Shapes: rows (N, D), classes (N,) int64. ``forward`` is the normalising direction (data to noise) and gives the noise
and log|det| (N,); ``inverse`` generates. Rows are independent of one another. Source: FlowVQTalker, section 3.2.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAST_SCALE = 1e-3
"""Of a coupling; an inverse multiplies errors by at most its reciprocal."""
SHIFT = 2.0
"""Added to a coupling's raw scale before the sigmoid, so that a flow starts close to the identity."""


class ActNorm(nn.Module):
    """(x - mean) / exp(log_scale), one pair a class; the log-determinant is minus the sum of the log-scales.

    The first batch in training mode standardises all classes alike; afterwards they are trained apart.

    Args:
        size: D.
        classes: number of classes; 1 for an ordinary normalisation, whatever the rows' classes are.
    """

    def __init__(self, size: int, classes: int = 1) -> None:
        super().__init__()
        self.mean, self.log_scale = (nn.Parameter(torch.zeros(classes, size)) for _ in range(2))
        self.register_buffer("initialised", torch.tensor(False))

    def forward(self, x: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised rows (N, D) and log-determinants (N,)."""
        if self.training and not self.initialised:
            self._initialise(x)
        mean, log_scale = self._of(classes)
        return (x - mean) * torch.exp(-log_scale), -log_scale.sum(-1)

    def inverse(self, z: Tensor, classes: Tensor) -> Tensor:
        """Rows (N, D)."""
        mean, log_scale = self._of(classes)
        return z * torch.exp(log_scale) + mean

    @torch.no_grad()
    def _initialise(self, x: Tensor) -> None:
        self.mean.copy_(x.mean(0).expand_as(self.mean))
        self.log_scale.copy_(torch.log(x.std(0).clamp_min(1e-3)).expand_as(self.log_scale))
        self.initialised.fill_(True)

    def _of(self, classes: Tensor) -> tuple[Tensor, Tensor]:
        chosen = classes if len(self.mean) > 1 else torch.zeros_like(classes)
        return self.mean[chosen], self.log_scale[chosen]


class InvertibleLinear(nn.Module):
    """x W^T with W = P L (U + diag(sign exp(log_s))); P and sign are fixed, log|det W| = sum of log_s.

    W is a random rotation at the start. Source: Glow (Kingma and Dhariwal, 2018), section 3.2, with its LU form.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(size, size))[0]
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        self.register_buffer("permutation", permutation)
        self.register_buffer("sign", diagonal.sign())
        self.lower, self.upper = nn.Parameter(lower.tril(-1)), nn.Parameter(upper.triu(1))
        self.log_scale = nn.Parameter(diagonal.abs().log())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mixed rows (N, D) and log-determinants (N,)."""
        lower, upper = self._triangles()
        weight = self.permutation @ lower @ upper
        return x @ weight.T, self.log_scale.sum().expand(len(x))

    def inverse(self, z: Tensor) -> Tensor:
        """Rows (N, D), by two triangular systems."""
        lower, upper = self._triangles()
        x = torch.linalg.solve_triangular(lower, self.permutation.T @ z.T, upper=False, unitriangular=True)
        return torch.linalg.solve_triangular(upper, x, upper=True).T

    def _triangles(self) -> tuple[Tensor, Tensor]:
        lower = self.lower.tril(-1) + torch.eye(len(self.lower)).to(self.lower)
        return lower, self.upper.triu(1) + torch.diag(self.sign * torch.exp(self.log_scale))


class ConditionalCoupling(nn.Module):
    """[u, (v + t) s] with s and t from u and the context; the log-determinant is the sum of log s. Eq. 5.

    s = sigmoid(raw + 2) + 0.001: positive, where the paper allows any number.

    Args:
        size: D; u is the first half, v the second, which is the larger one where D is odd.
        net: u (N, D // 2) and the context to raw scales and shifts (N, 2 (D - D // 2)).
    """

    def __init__(self, size: int, net: Callable[[Tensor, Any], Tensor]) -> None:
        super().__init__()
        self.half, self.net = size // 2, net

    def forward(self, x: Tensor, context: Any) -> tuple[Tensor, Tensor]:
        """Rows (N, D) and log-determinants (N,)."""
        kept, changed = x[:, : self.half], x[:, self.half :]
        scale, shift = self._parts(kept, context)
        return torch.cat([kept, (changed + shift) * scale], 1), scale.log().sum(1)

    def inverse(self, z: Tensor, context: Any) -> Tensor:
        """Rows (N, D)."""
        kept, changed = z[:, : self.half], z[:, self.half :]
        scale, shift = self._parts(kept, context)
        return torch.cat([kept, changed / scale - shift], 1)

    def _parts(self, kept: Tensor, context: Any) -> tuple[Tensor, Tensor]:
        raw, shift = self.net(kept, context).chunk(2, 1)
        return functional.sigmoid(raw + SHIFT) + LEAST_SCALE, shift


class ConditionalFlow(nn.Module):
    """Steps of ActNorm, invertible linear layer and coupling; eqs. 1 to 4, with one direction for each arrow.

    Args:
        size: D.
        steps: K.
        net: makes the network of a coupling, see :class:`ConditionalCoupling`.
        classes: of the normalisations.
    """

    def __init__(self, size: int, steps: int, net: Callable[[], nn.Module], classes: int = 1) -> None:
        super().__init__()
        self.norms = nn.ModuleList([ActNorm(size, classes) for _ in range(steps)])
        self.linears = nn.ModuleList([InvertibleLinear(size) for _ in range(steps)])
        self.couplings = nn.ModuleList([ConditionalCoupling(size, net()) for _ in range(steps)])

    def forward(self, x: Tensor, context: Any, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Noise (N, D) and log-determinants (N,)."""
        total = x.new_zeros(len(x))
        for norm, linear, coupling in zip(self.norms, self.linears, self.couplings, strict=True):
            x, of_norm = norm(x, classes)
            x, of_linear = linear(x)
            x, of_coupling = coupling(x, context)
            total = total + of_norm + of_linear + of_coupling
        return x, total

    def inverse(self, z: Tensor, context: Any, classes: Tensor) -> Tensor:
        """Data (N, D)."""
        steps = list(zip(self.norms, self.linears, self.couplings, strict=True))
        for norm, linear, coupling in reversed(steps):
            z = norm.inverse(linear.inverse(coupling.inverse(z, context)), classes)
        return z


def follow_itself(noise: Tensor, persistence: float) -> Tensor:
    """Gaussian rows (T, D) as noise that is smooth over time: each is ``persistence`` times the one before and new.

    The variance stays that of the rows.
    """
    rows = [noise[0]]
    for fresh in noise[1:]:
        rows.append(persistence * rows[-1] + (1 - persistence**2) ** 0.5 * fresh)
    return torch.stack(rows)
