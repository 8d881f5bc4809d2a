"""Manifold projection: a latent as an affine combination of stored ones near to it.

Source: FlowVQTalker, section 3.2, which takes it from locally linear embedding (Roweis and Saul, 2000).
"""

import torch
from torch import Tensor

RIDGE = 1e-3
"""Added to the diagonal of the Gram matrix, in means of that diagonal: neighbours may depend on one another."""


def project(z: Tensor, stored: Tensor, neighbours: int) -> tuple[Tensor, Tensor, Tensor]:
    """The affine combination of each row's nearest stored rows that lies nearest to it.

    Minimises |z - sum_k w_k s_k|^2 with sum w_k = 1; weights may be negative.

    Args:
        z: (N, D).
        stored: (M, D), M at least 1.
        neighbours: how many stored rows take part; at most M do.

    Returns:
        combinations (N, D), weights (N, K), indices (N, K) of the stored rows, the nearest first.

    Raises:
        ValueError: nothing is stored.
    """
    if not len(stored):
        raise ValueError("expected at least one stored row to project on")
    distances = torch.cdist(z, stored, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = distances.topk(min(neighbours, len(stored)), largest=False).indices  # (N, K)
    apart = z[:, None] - stored[nearest]  # (N, K, D)
    gram = apart @ apart.transpose(1, 2)  # (N, K, K)
    mean = gram.diagonal(dim1=1, dim2=2).mean(1)
    ridge = RIDGE * mean + torch.finfo(z.dtype).tiny ** 0.5
    gram = gram + ridge[:, None, None] * torch.eye(gram.shape[-1]).to(gram)
    weights = torch.linalg.solve(gram, torch.ones_like(gram[..., :1]))[..., 0]
    weights = weights / weights.sum(1, keepdim=True)
    return (weights[..., None] * stored[nearest]).sum(1), weights, nearest
