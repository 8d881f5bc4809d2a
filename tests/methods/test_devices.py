"""No network makes a constant on the CPU that meets tensors of a GPU: the losses of each on pretended CUDA tensors."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from gmbench.methods.gmtalker import gmeg, nfmg
from gmbench.methods.gmtalker.head import Discriminator, HeadGenerator
from gmbench.methods.gmtalker.settings import Gmeg, Head, Nfmg
from gmbench.nn.perceptual import perceptual
from gmbench.nn.stylegan import kernel_on

CUDA = torch.device("cuda", 0)
SMALL = {"width": 16, "heads": 4, "window": (20, 20), "audio_frames": 3}


@pytest.fixture(autouse=True)
def _pretended_gpu():
    """Tensors have shapes and devices but no values; module constants are real and lie on the CPU."""
    kernel_on.cache_clear()
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield
    kernel_on.cache_clear()


def _on_gpu(build):
    """What ``build`` makes, made on the GPU; the default device is the CPU again afterwards."""
    with torch.device(CUDA):
        return build()


def _tensors(*shapes):
    return _on_gpu(lambda: [torch.randn(shape) for shape in shapes])


def _padded():
    return _on_gpu(lambda: torch.arange(20).expand(2, -1) < torch.tensor([[20], [17]]))


def _labels():
    return _on_gpu(lambda: torch.nn.functional.one_hot(torch.arange(2), 3).float())


def test_a_constant_on_the_cpu_is_noticed():
    (x,) = _tensors((2, 3))
    with pytest.raises(RuntimeError, match=r"cuda:0.*cpu"):
        x + torch.zeros(2, 3)


@pytest.mark.parametrize("objective", ["bound", "literal"])
@pytest.mark.parametrize("teacher", ["masked", "rollout"])
def test_expression_generator(objective, teacher):
    settings = Gmeg(layers=(1, 1, 1), z=6, w=4, objective=objective, teacher=teacher, align_halfwidth=2, **SMALL)
    network = _on_gpu(lambda: gmeg.ExpressionGenerator(settings, 5, 7, 3, 2))
    speaker = _on_gpu(lambda: torch.zeros(2, dtype=torch.long))
    terms = gmeg.losses(network, *_tensors((2, 20, 5), (2, 20, 7)), _padded(), _labels(), speaker, 0.9)
    assert {value.device for value in terms.values()} == {CUDA}


@pytest.mark.parametrize("steps", [0, 2])
def test_motion_generator(steps):
    settings = Nfmg(layers=(1, 1), z=8, flow_steps=steps, flow_width=16, flow_layers=1, **SMALL)
    network = _on_gpu(lambda: nfmg.MotionGenerator(settings, 7))
    terms = nfmg.losses(network, *_tensors((2, 20, 12), (2, 20, 7)), _padded(), 0.9)
    assert {value.device for value in terms.values()} == {CUDA}
    noise, audio = _tensors((1, network.latents(20), settings.z), (1, 20, 7))
    track = network.decoder.generate(network.condition(network.sample(noise), 20), audio)
    assert track.device == CUDA


def test_head_generator_and_discriminator():
    settings = Head(size_in=64, size_out=64, channels=dict.fromkeys((4, 8, 16, 32, 64), 8), style=6)
    generator, discriminator = _on_gpu(lambda: (HeadGenerator(settings, 3), Discriminator(settings)))
    code, condition = _tensors((2, 6), (2, 4, 64, 64))
    picture = generator(condition, generator.mapping(code, _labels()))
    assert picture.device == discriminator(picture, picture).device == CUDA
    assert _on_gpu(lambda: perceptual("randconv"))(picture, picture).device == CUDA
