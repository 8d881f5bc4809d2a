"""Training of the small autoencoder, or a look at the user's, and the gate after either."""

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gmbench.methods.dicetalk.checkpoints import CHECKPOINTS
from gmbench.methods.dicetalk.latents import LappedCode, StableVideoCode, new_code, part_digest
from gmbench.methods.dicetalk.settings import Vae
from gmbench.methods.emotion_gate import check_gate
from gmbench.methods.picture_tracks import frames_of, held_out_clips
from gmbench.methods.pictures import PeoplePictures
from gmbench.methods.training_jobs import TrainedFile
from gmbench.nn.pictures import to_signed
from gmbench.nn.training import ProgressCallback, TrainReport, TrainState, Updater, adam, falling_rate, train

FITTED = 1000
"""Most frames that components and standardisation come from."""


def train_vae(
    people: PeoplePictures, settings: Vae, seed: int,
    folder: Path | None = None, progress: ProgressCallback | None = None,
) -> TrainedFile:  # fmt: skip
    """The autoencoder of all people's frames; of Stable Video Diffusion's only the gate is looked at.

    Args:
        people: frames of the settings' side.
        settings: which, sizes, gate, and how long.
        seed: of everything random.
        folder: for checkpoints and the log.
        progress: see :func:`gmbench.nn.training.train`.

    Raises:
        InputError: held-out frames lose their emotion, see :func:`gmbench.methods.emotion_gate.check_gate`.
        WeightsError: the user's folder has no such autoencoder.
    """
    torch.manual_seed(seed)
    held_out = held_out_clips(people.clips)
    rest = [n for n in range(len(people.clips)) if n not in set(held_out)]
    code = new_code(settings)
    if isinstance(code, LappedCode):
        report = _train_lapped(code, people, rest, seed, folder, progress)
    else:
        began = time.monotonic()
        parameters = sum(p.numel() for p in code.parameters())
        report = TrainReport(0, round(time.monotonic() - began, 1), 0, False, [], parameters)
    torch.manual_seed(seed)
    gate = check_gate(
        people, rest, held_out, lambda x: _through(code, x), settings.gate, settings.gate_steps, "dicetalk: vae"
    )
    facts = {"settings": settings.model_dump(mode="json"), "gate": gate, "weights": part_digest(settings.folder, "vae")}
    kept = code if isinstance(code, LappedCode) else nn.Module()  # the user's own file is read again where it lies
    return CHECKPOINTS.pack("vae", kept, facts), report


def _train_lapped(
    code: LappedCode, people: PeoplePictures, clips: list[int], seed: int, folder: Path | None,
    progress: ProgressCallback | None,
) -> TrainReport:  # fmt: skip
    """Components in closed form, then the convolutions around them by the squared error of pictures."""
    frames, s = frames_of(people, clips), code.settings
    sample = frames[np.unique(np.linspace(0, len(frames) - 1, FITTED).astype(int))]
    pictures = to_signed(torch.from_numpy(people.frames[sample]))
    code.fit(pictures)
    code.standardise(pictures)
    state = TrainState(
        nn.ModuleDict({"code": code}), {"code": adam(code.parameters(), s.train.rate)}, lambda step, updater: {}
    )

    def update(step: int, updater: Updater) -> dict[str, Tensor]:
        falling_rate(state.optimisers["code"], s.train, step)
        chosen = np.sort(frames[torch.randint(0, len(frames), (s.train.batch,)).numpy()])
        real = to_signed(torch.from_numpy(people.frames[chosen])).to(updater.device)
        loss = (code(real) - real).square().mean()
        updater.backward_and_step(loss, "code")
        return {"squared_error": loss}

    state.update = update
    report = train(state, s.train.config(seed), folder, progress)
    code.standardise(pictures)
    return report


@torch.inference_mode()
def _through(code: LappedCode | StableVideoCode, pictures: Tensor) -> Tensor:
    """Reconstructions (B, 3, S, S) in [-1, 1]."""
    return code(pictures).clamp(-1, 1)
