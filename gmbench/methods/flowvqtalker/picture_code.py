"""Pictures as codes: encoder, codebook and decoder. Source: FlowVQTalker, section 3.3 and eq. 13."""

import torch
from torch import Tensor, nn

from gmbench.methods.flowvqtalker.settings import Codebook
from gmbench.nn.autoencoder import Decoder, Encoder, patch_codes
from gmbench.nn.vq import Codebook as CodeTable
from gmbench.nn.vq import Quantised

START_ERROR = 0.5
"""Of a codebook that starts from patches, root mean square, in units of the code."""
START_PATCHES = 100_000
"""Most patches that the codebook starts from."""


class PictureCode(nn.Module):
    """E_h, the codebook and D_h; eq. 13."""

    def __init__(self, settings: Codebook) -> None:
        super().__init__()
        s = settings
        self.settings = s
        linear = s.start == "patches"
        self.encoder = Encoder(s.widths, s.size, s.blocks, s.wavelets, linear)
        self.table = CodeTable(s.codes, s.size, s.patience)
        self.decoder = Decoder(s.widths, s.size, s.blocks, s.wavelets, linear)

    @torch.no_grad()
    def start_from(self, pictures: Tensor, weights: Tensor | None = None) -> None:
        """Start as the linear code of patches of pictures (B, 3, S, S), with k-means of their codes as codebook.

        Patches are drawn by ``weights`` (B, 1, s, s), without them all alike: a face has few patches with brows, eyes
        and mouth, and k-means gives its codes to what is frequent. The code's unit is set so that the codebook is off
        by :data:`START_ERROR` a number: of patches in [-1, 1] it is off by so little that the loss on pictures would
        drown those on codes.
        """
        patches, of_decoder = patch_codes(self.encoder, self.decoder)
        patches.fit(pictures)
        codes = patches.encode(pictures)
        rows = codes.movedim(1, -1).flatten(0, 2)
        shares = torch.ones(len(rows)) if weights is None else weights.flatten().cpu()
        chosen = torch.multinomial(shares, min(len(rows), START_PATCHES), replacement=weights is not None)
        self.table.start_from(rows[chosen.to(rows.device)])
        off = (self.table.look_up(self.table.nearest(codes)) - codes).square().mean().sqrt()
        gain = START_ERROR / off.clamp_min(torch.finfo(off.dtype).eps)
        patches.gain.mul_(gain)
        self.table.codes.mul_(gain)
        of_decoder.load_state_dict(patches.state_dict())

    def quantise(self, pictures: Tensor) -> Quantised:
        """Codes (B, d, s, s) of pictures (B, 3, S, S) in [-1, 1]."""
        return self.table(self.encoder(pictures))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Quantised]:
        """Reconstructions (B, 3, S, S) and codes."""
        quantised = self.quantise(pictures)
        return self.decoder(quantised.values), quantised
