"""PSNR + SSIM of a pair of 512 x 512 RGB frames on one core."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio as torch_psnr
from torchmetrics.functional.image import structural_similarity_index_measure as torch_ssim

from benchmarks.timing import frame_pair, seconds
from gmbench.metrics import quality, sharpness


def measure(folder: Path, clips: Path | None) -> Iterator[tuple[str, str, str]]:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    a, b = frame_pair()

    def ours() -> None:
        quality.psnr(a, b)
        quality.ssim(a, b)

    def scikit() -> None:
        peak_signal_noise_ratio(a, b, data_range=255)
        structural_similarity(
            a, b, channel_axis=2, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )

    def torchmetrics() -> None:
        x, y = (torch.from_numpy(f).permute(2, 0, 1)[None].float() for f in (a, b))
        torch_psnr(x, y, data_range=255.0)
        torch_ssim(x, y, data_range=255.0)

    our_s, scikit_s, torch_s = seconds(ours, 30), seconds(scikit, 15), seconds(torchmetrics, 15)
    yield "PSNR + SSIM, 512 x 512 RGB, one core", f"{1e3 * our_s:.1f} ms per pair", ""
    yield (
        "scikit-image in the same process",
        f"{1e3 * scikit_s:.0f} ms: {scikit_s / our_s:.0f} times ours",
        ">= 6",
    )
    yield (
        "torchmetrics in the same process",
        f"{1e3 * torch_s:.0f} ms: {torch_s / our_s:.0f} times ours",
        ">= 4",
    )
    yield "SSIM 7 x 7", f"{1e3 * seconds(lambda: quality.ssim_u7(a, b), 20):.1f} ms per pair", ""
    grey = np.asarray(cv2.cvtColor(a, cv2.COLOR_RGB2GRAY), np.uint8)
    yield "CPBD, 512 x 512", f"{1e3 * seconds(lambda: sharpness.cpbd(grey), 10):.0f} ms a frame", ""
