import numpy as np
import pytest
import torch

from gmbench.nn.diffusion import (
    Preconditioning,
    circle_length,
    denoised,
    denoising_loss,
    draw_sigmas,
    euler_step,
    guided,
    noise_levels,
    window_places,
)


def test_preconditioning_keeps_unit_variance_and_the_data_without_noise():
    sigma = torch.tensor([1e-4, 0.5, 1.0, 40.0])
    p = Preconditioning.of(sigma)
    assert torch.allclose(p.into.square() * (1 + sigma.square()), torch.ones(4))
    assert torch.allclose(p.skip[0], torch.tensor(1.0), atol=1e-6)
    assert torch.allclose(p.noise, sigma.log() / 4)


def test_the_loss_is_the_plain_error_of_the_network():
    torch.manual_seed(0)
    z, n, sigma = torch.randn(5, 3, 4), torch.randn(5, 3, 4), draw_sigmas(5, 0.7, 1.6)
    s = sigma[:, None, None]
    x = z + s * n
    assert denoising_loss(z, z, sigma) == 0
    p = Preconditioning.of(s)
    wanted = (z - p.skip * x) / p.out  # what F must give
    estimate = denoised(lambda scaled, noise: 0 * scaled, x, sigma)
    assert torch.allclose(denoising_loss(estimate, z, sigma), wanted.square().mean(), rtol=1e-4)
    right = denoised(lambda scaled, noise: wanted, x, sigma)
    assert torch.allclose(right, z, atol=1e-3)
    places = torch.tensor([0.0, 0.0, 4.0, 0.0])
    assert torch.allclose(denoising_loss(estimate, z, sigma, places), wanted[..., 2].square().mean(), rtol=1e-4)


def test_levels_are_log_normal_and_those_of_the_sampler_fall_to_zero():
    torch.manual_seed(0)
    logs = draw_sigmas(20_000, 0.7, 1.6).log()
    assert logs.mean().item() == pytest.approx(0.7, abs=0.05)
    assert logs.std().item() == pytest.approx(1.6, abs=0.05)
    levels = noise_levels(12, 40.0, 0.002)
    assert len(levels) == 13
    assert levels[0].item() == pytest.approx(40, rel=1e-5)
    assert (levels[-2].item(), levels[-1].item()) == (pytest.approx(0.002, rel=1e-4), 0)
    assert (levels.diff() < 0).all()


def test_euler_finds_a_gaussian():
    """The exact denoiser of N(m, s^2) leads noise to that distribution."""
    torch.manual_seed(0)
    m, s, levels = 1.5, 0.5, noise_levels(200, 80.0, 0.002)
    x = m + levels[0] * torch.randn(20_000)
    for sigma, following in zip(levels, levels[1:], strict=False):
        exact = (s**2 * x + sigma**2 * m) / (s**2 + sigma**2)
        x = euler_step(x, exact, sigma, following)
    assert x.mean().item() == pytest.approx(m, abs=0.02)
    assert x.std().item() == pytest.approx(s, abs=0.02)


def test_a_run_equals_that_of_the_library():
    from diffusers import EulerDiscreteScheduler

    steps, levels = 25, noise_levels(25, 700.0, 0.002)
    scheduler = EulerDiscreteScheduler(
        prediction_type="v_prediction", timestep_type="continuous", use_karras_sigmas=True,
        sigma_min=0.002, sigma_max=700.0, timestep_spacing="leading", steps_offset=1, interpolation_type="linear",
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012,
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    assert np.allclose(scheduler.sigmas.numpy(), levels.numpy(), rtol=1e-4)
    torch.manual_seed(0)
    noise = torch.randn(2, 3, 4)
    mixer = torch.randn(4, 4) / 2
    theirs, ours = noise * levels[0], noise * levels[0]
    for n, t in enumerate(scheduler.timesteps):
        theirs = scheduler.step(torch.tanh(scheduler.scale_model_input(theirs, t) @ mixer), t, theirs).prev_sample
        sigma = levels[n].expand(2)
        estimate = denoised(lambda scaled, noise: torch.tanh(scaled @ mixer), ours, sigma)
        ours = euler_step(ours, estimate, levels[n], levels[n + 1])
    assert torch.allclose(theirs, ours, atol=1e-5, rtol=1e-4)


def test_guidance():
    passes = [torch.tensor([0.0]), torch.tensor([1.0]), torch.tensor([3.0])]
    assert guided(passes, (1.0, 1.0)) == passes[-1]
    assert guided(passes, (3.0, 6.0)) == 0 + 3 * 1 + 6 * 2
    with pytest.raises(ValueError, match="expected 2 scales for 3 passes, got 1"):
        guided(passes, (1.0,))


@pytest.mark.parametrize(("frames", "window", "shift"), [(25, 8, 3), (25, 25, 7), (26, 25, 7), (49, 25, 7), (3, 8, 3)])
def test_windows_hold_every_frame_once_at_every_step(frames, window, shift):
    borders = set()
    for step in range(12):
        windows = window_places(frames, window, shift, step)
        held = torch.cat(windows)
        assert sorted(held[held < frames].tolist()) == list(range(frames))
        assert len(held) <= circle_length(frames, window)
        assert not any({0, frames - 1} <= set(w.tolist()) for w in windows if frames > window)
        borders |= {int(w[0]) for w in windows}
    assert len(borders) > len(windows) or frames <= window
