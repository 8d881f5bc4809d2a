"""The paper's classes load from a user's folder and run; its sizes make a step with adapters."""

import numpy as np
import pytest
import torch

from gmbench.audio import whisper
from gmbench.errors import WeightsError
from gmbench.methods.dicetalk.denoiser import Conditions, Denoiser, new_unet
from gmbench.methods.dicetalk.diffusion_training import diffusion_losses
from gmbench.methods.dicetalk.latent_training import train_vae
from gmbench.methods.dicetalk.latents import StableVideoCode, encode_bytes, load_code
from gmbench.methods.dicetalk.picture_tokens import PictureEmbedder
from gmbench.methods.dicetalk.settings import Settings, Speech, Unet
from gmbench.methods.dicetalk.speech import Listener, around_width, speech_facts
from gmbench.methods.dicetalk.windows import Batch
from tests.methods.dicetalk.made import made_clips, made_people, small

SOUND = np.random.default_rng(0).normal(0, 2000, 25 * 640).astype(np.int16)
CPU = torch.device("cpu")
UNET = Unet(widths=(64, 64), attention=(True, False), layers=1, heads=(2, 2), numbers=8)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def video_model(tmp_path_factory):
    """Small random networks of Stable Video Diffusion's classes, as diffusers and transformers save them."""
    from diffusers import AutoencoderKLTemporalDecoder
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("svd")
    blocks = ("DownEncoderBlock2D",) * 4
    vae = AutoencoderKLTemporalDecoder(down_block_types=blocks, block_out_channels=(32,) * 4, layers_per_block=1)
    vae.save_pretrained(folder / "vae")
    new_unet(UNET, 4, 32, pretrained=False).save_pretrained(folder / "unet")
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    clip = CLIPVisionModelWithProjection(CLIPVisionConfig(image_size=32, patch_size=16, projection_dim=32, **sizes))
    clip.save_pretrained(folder / "image_encoder")
    return folder


@pytest.fixture(scope="module")
def whisper_folder(tmp_path_factory):
    """A small random Whisper that hears a second at a time."""
    from transformers import WhisperConfig, WhisperModel

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("whisper")
    sizes = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 2,
             "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16,
             "max_source_positions": 50, "vocab_size": 60, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
             "decoder_start_token_id": 1}  # fmt: skip
    WhisperModel(WhisperConfig(**sizes)).save_pretrained(folder)
    return folder


class TestUsersFolder:
    def test_the_autoencoder_is_read_where_it_lies(self, video_model, tmp_path):
        settings = small(vae={"codec": "vae", "channels": 4, "folder": str(video_model)}).vae
        people = made_people(made_clips(3, frames=10))
        content, report = train_vae(people, settings, 0)
        assert (report.steps, report.parameters) == (0, 0)
        assert report.frozen_parameters > 1e5
        (tmp_path / "vae.safetensors").write_bytes(content)
        assert len(content) < 10_000
        code = load_code(tmp_path / "vae.safetensors")
        assert isinstance(code, StableVideoCode)
        latents = encode_bytes(code, people.frames[:3])
        assert latents.shape == (3, 4, 4, 4)
        with torch.inference_mode():
            assert code.decode(latents).shape == (3, 3, 32, 32)

    def test_training_starts_from_the_users_unet(self, video_model):
        settings = UNET.model_copy(update={"folder": str(video_model)})
        stored = new_unet(settings, 4, 32, pretrained=True).state_dict()
        fresh = new_unet(settings, 4, 32, pretrained=False).state_dict()
        assert stored.keys() == fresh.keys()
        name = "conv_in.weight"
        assert not torch.equal(stored[name], fresh[name])
        again = new_unet(settings, 4, 32, pretrained=True).state_dict()
        assert torch.equal(stored[name], again[name])
        with pytest.raises(WeightsError, match="in_channels is 8, in the settings 12"):
            new_unet(settings, 6, 32, pretrained=True)

    def test_pictures_are_embedded(self, video_model, tmp_path):
        embedder = PictureEmbedder(str(video_model), CPU)
        pictures = made_people(made_clips(1, frames=4)).frames
        assert embedder.of_pictures(pictures).shape == (4, 32)
        facts = embedder.facts()
        assert PictureEmbedder.load(facts, CPU).weights == facts["weights"]
        with pytest.raises(WeightsError, match="not the CLIP that DICE-Talk was trained with"):
            PictureEmbedder.load(facts | {"weights": "other"}, CPU)
        with pytest.raises(WeightsError, match="no CLIPVisionModelWithProjection here"):
            PictureEmbedder(str(tmp_path), CPU)

    def test_whisper_gives_states_of_all_layers(self, whisper_folder, tmp_path):
        network = whisper.load(whisper_folder)
        states = network(SOUND)
        assert states.shape == (50, 3, 16)
        assert np.isfinite(states).all()
        longer = network(np.concatenate([SOUND, SOUND[:3200]]))
        assert longer.shape == (60, 3, 16)
        assert np.allclose(longer[:50], states, atol=1e-2)
        with pytest.raises(WeightsError, match="no Whisper here"):
            whisper.load(tmp_path)

    def test_the_denoiser_hears_ten_states_around_a_frame(self, whisper_folder):
        facts = speech_facts(Speech(source="whisper", whisper=str(whisper_folder)), {})
        states = Listener(facts).of_sound(SOUND, 25)
        assert states.of_frames(25).shape == (25, 16)
        heard = states.around(np.array([0, 10]))
        assert heard.shape == (2, around_width(3 * 16, 50))
        values = np.asarray(states.values, np.float32)
        assert not heard[0, : 4 * 48].any()
        assert np.array_equal(heard[1], values[16:26].ravel())
        with pytest.raises(WeightsError, match="not the Whisper that DICE-Talk was trained on"):
            Listener(facts | {"weights": "other"})


def test_needed_files_are_named():
    settings = Settings.model_validate({"vae": {"folder": "/svd"}, "speech": {"whisper": "/w"}})
    assert {k: str(v) for k, v in settings.needed_files().items()} == {
        "speech.whisper": "/w/config.json", "vae.folder": "/svd/vae/config.json",
        "diffusion.picture": "/svd/image_encoder/config.json",
    }  # fmt: skip
    assert not small().needed_files()


@pytest.mark.slow
def test_a_step_with_adapters_at_the_papers_widths():
    """Two frames of 128 pixels, the levels' true widths with one residual block a level, checkpointing."""
    paper = Settings()
    settings = paper.diffusion.model_copy(update={"train_unet": "adapters", "window": 2})
    unet = paper.unet.model_copy(update={"layers": 1})
    network = Denoiser(settings, paper.bank, unet, 4, around_width(5 * 384, 50), 1024, 256, 8)
    learning = network.learning()
    c = Conditions(
        torch.randn(1, 4, 16, 16), torch.randn(1, 1024), torch.randn(1, 2, 19200), torch.randn(1, 256),
        torch.tensor([[0.2, 0.2, 0.8, 0.8]]), torch.tensor([[8.0, 16.0]]),
    )  # fmt: skip
    terms = diffusion_losses(network, Batch(torch.randn(1, 2, 4, 16, 16), c, torch.tensor([3])), settings, paper.bank)
    sum(terms.values()).backward()
    assert all(np.isfinite(float(value)) for value in terms.values())
    adapters = network.conditioner.adapters()
    assert sum(p.numel() for p in adapters) > 5e7
    assert all(p.grad is not None for p in adapters)
    assert network.conditioner.unet.conv_in.weight.grad is None
    assert len(learning) < len(list(network.parameters()))
