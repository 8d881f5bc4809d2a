"""DICE-Talk's configuration: typed, with the paper's values as defaults; unknown keys are refused."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from gmbench.methods.settings import FallingRate, SettingsPart, Source, check_heads

STAGES = ("vae", "embedder", "diffusion")
"""Names of the networks, in the order of their training."""
Drop = Literal["sound", "picture", "emotion", "all"]


class Speech(SettingsPart):
    """States of speech that embedder and denoiser read."""

    source: Literal["features", "whisper"] = Field(
        "whisper", description="the dataset's audio features at 25 Hz, or Whisper's encoder at 50 Hz"
    )
    whisper: str = Field("", description="folder of Whisper's weights, as transformers saves them")


class Vae(SettingsPart):
    """Autoencoder of pictures: latents that the diffusion works on."""

    codec: Literal["vae", "lapped"] = Field(
        "vae", description="Stable Video Diffusion's autoencoder, or a small one of overlapping patches, trained here"
    )
    side: int = Field(512, ge=16, multiple_of=8, description="of the pictures; latents have an eighth of it")
    channels: int = Field(4, ge=1, description="of the latents")
    folder: str = Field("", description="of Stable Video Diffusion, as diffusers saves it; its part vae is read")
    width: int = Field(64, ge=1, description="of the small one's convolutions")
    gate: float = Field(
        0.75, ge=0, le=1,
        description="least share of held-out frames whose emotion a classifier of its own sees in the reconstruction "
        "as in the frame; below it the training fails",
    )  # fmt: skip
    gate_steps: int = Field(300, ge=1, description="of that classifier's training")
    train: FallingRate = FallingRate(steps=300, batch=8, rate=1e-3, last_rate=0.1)


class SoundTraining(SettingsPart):
    """A second training of the embedder, in which its sound stream alone learns emotions whoever speaks; our own."""

    track_people: int = Field(
        0, ge=0, description="further labelled people in all, where more than the embedder's, who are the first of them"
    )
    likeness: float = Field(
        1.0, ge=0, description="weight of the squared distance, in deviations, from the priors before it"
    )
    train: FallingRate = FallingRate(steps=1_200, batch=48, rate=1e-3, warm_up=60, last_rate=0.1)


class Embedder(SettingsPart):
    """Cross-modal emotion embedder; DICE-Talk, section 3.1."""

    width: int = Field(256, ge=2, multiple_of=2, description="of its streams and of the prior")
    visual_layers: int = Field(3, ge=1)
    audio_layers: int = Field(2, ge=1)
    fusion_layers: int = Field(2, ge=1)
    heads: int = 8
    dropout: float = Field(0.1, ge=0, lt=1)
    fusion: Literal["attention", "none"] = Field(
        "attention", description="sound asks the face, eqs. 2 and 3; none: visual_only"
    )
    fusion_scale: float = Field(1.0, ge=0, description="lambda of eq. 3")
    prior: Literal["gaussian", "mean"] = Field(
        "gaussian", description="what training draws, here and in the diffusion; mean: wo_prior"
    )
    temperature: float = Field(0.1, gt=0, description="tau of InfoNCE")
    modality_dropout: float = Field(
        0.25, ge=0, le=0.5, description="probability that a clip's face is left out, and that its sound is; never both"
    )
    coefficients: Literal["landmarks", "standardised"] = Field(
        "landmarks", description="what makes the 171 columns count in the 64 components: their effect, or deviations"
    )
    window: tuple[int, int] = Field((32, 64), description="least and greatest number of frames of a segment")
    unlabelled: bool = Field(True, description="whether two segments of a clip without label are learnt to be alike")
    track_people: int = Field(
        0, ge=0, description="further labelled people, drawn without pictures as the corpus draws its own"
    )
    track_takes: int = Field(2, ge=2, description="clips of each of those people in an emotion at a level")
    train: FallingRate = FallingRate(steps=50_000, batch=64, rate=1e-4, warm_up=1_000)
    sound_again: SoundTraining | None = Field(None, description="none: one training of all, as printed")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_heads(self.width, self.heads)
        if self.sound_again is not None and self.fusion == "none":
            raise ValueError("sound_again: without fusion no sound is read")
        if not 2 <= self.window[0] <= self.window[1]:
            raise ValueError(f"window must be least and greatest number of frames, got {list(self.window)}")
        return self

    @property
    def drawn_people(self) -> int:
        """How many further people are drawn: the second training learns from all, the first from ``track_people``."""
        return max(self.track_people, self.sound_again.track_people if self.sound_again is not None else 0)


class Bank(SettingsPart):
    """Emotion bank; DICE-Talk, section 3.2."""

    kind: Literal["bank", "none", "learnable"] = Field(
        "bank", description="none: wo_bank; learnable: learnable_ca, free keys and values without retrieval"
    )
    entries: int = Field(64, ge=1, description="K")
    width: int = Field(1024, ge=2, description="d, of entries and of the tokens")
    tokens: int = Field(32, ge=1, description="of the prior and of each entry; the paper prints one")
    heads: int = 8
    start: Literal["k_means", "uniform"] = Field("k_means", description="of the entries: of priors, or as released")
    patience: int = Field(500, ge=0, description="steps after which an entry that none was near starts again; 0: never")
    training: Literal["retrieved", "mixed"] = Field(
        "retrieved", description="keys in training: the nearest entry's, or in half of the steps all entries'"
    )
    null: Literal["zero", "bank"] = Field(
        "zero", description="emotion that is left out at generation: keys of zeros as in training, or the whole bank"
    )
    commitment: float = Field(0.25, ge=0, description="beta of eq. 17")
    weight: float = Field(1.0, ge=0, description="of eq. 17 in the sum of losses")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_heads(self.width, self.heads)
        return self


class Unet(SettingsPart):
    """Sizes of the denoiser, in words of diffusers' UNetSpatioTemporalConditionModel."""

    widths: tuple[int, ...] = Field((320, 640, 1280, 1280), min_length=2, description="of the levels")
    attention: tuple[bool, ...] = Field((True, True, True, False), description="levels with transformers")
    layers: int = Field(2, ge=1, description="residual blocks a level")
    heads: tuple[int, ...] = Field((5, 10, 20, 20), description="of each level")
    numbers: int = Field(256, ge=2, multiple_of=2, description="width of each embedded number")
    folder: str = Field("", description="of Stable Video Diffusion; training starts from its part unet")
    checkpointing: bool = Field(True, description="whether activations are computed again for the gradient")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not len(self.widths) == len(self.attention) == len(self.heads):
            raise ValueError("widths, attention and heads must name equally many levels")
        # the network norms 32 groups of channels: of one channel each, they would undo what tells the noise level
        if wrong := [width for width in self.widths if width % 32 or width < 64]:
            raise ValueError(f"widths must be multiples of 32 from 64 on, got {wrong[0]}")
        for width, heads in zip(self.widths, self.heads, strict=True):
            check_heads(width, heads)
        return self


class Diffusion(SettingsPart):
    """Denoiser and its training; DICE-Talk, sections 3.2 to 3.4 and 4.1."""

    latent: Literal["plain", "residual"] = Field(
        "plain", description="what is denoised: latents, or their differences to the reference picture's"
    )
    picture: Literal["clip", "latent"] = Field(
        "clip", description="the picture's token: of CLIP in Stable Video Diffusion's folder, or of the pooled latent"
    )
    reference: Literal["neutral", "own"] = Field(
        "own", description="reference picture in training: a neutral frame of the person, or a frame of the clip"
    )
    sound_tokens: int = Field(32, ge=1)
    sound_width: int = Field(512, ge=1, description="of the net that makes sound tokens")
    guider: tuple[int, ...] = Field((16, 32, 96, 256), description="widths of the face box's convolutions")
    emotion_query: Literal["parallel", "serial"] = Field(
        "parallel", description="whether emotion is asked beside sound, or after it as eq. 14 prints"
    )
    window: int = Field(25, ge=2, description="frames at 12.5 per second")
    sigma_mean: float = Field(0.7, description="of the logarithm of the noise level in training")
    sigma_deviation: float = Field(1.6, gt=0)
    face: float = Field(0.0, ge=0, description="how much more the cells of the face count in the denoising loss")
    discrimination: float = Field(0.1, ge=0, description="lambda of the classifier's loss; 0: wo_discrimination")
    classes: Literal["emotions", "emotions_levels"] = "emotions"
    classifier: tuple[int, int] = Field((512, 256), description="widths of its hidden layers")
    dropped: dict[Drop, float] = Field(
        {"sound": 0.05, "picture": 0.05, "emotion": 0.05, "all": 0.05},
        description="probabilities that a condition is left out in training; one at a time",
    )
    drawn_people: int = Field(
        0, ge=0, description="further labelled people, drawn with pictures: a clip in each emotion and level"
    )
    drawn_frames: int = Field(32, ge=30, description="length of those clips at 25 frames per second")
    labelled: float = Field(0.5, ge=0, le=1, description="share of labelled clips in a batch, where there are others")
    train_unet: Literal["all", "adapters"] = Field(
        "all", description="which weights of the denoiser learn: all, or those of sound, emotion and face box alone"
    )
    average: float = Field(0.999, ge=0, lt=1, description="decay of the weights' moving average")
    train: FallingRate = FallingRate(steps=100_000, batch=8, rate=1e-5)

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if min(self.dropped.values()) < 0 or sum(self.dropped.values()) > 1:
            raise ValueError("dropped: probabilities must not be negative nor sum to more than 1")
        return self


class Sampling(SettingsPart):
    """How videos are drawn; no network depends on it."""

    steps: int = Field(25, ge=1)
    highest: float = Field(700.0, gt=0, description="first noise level")
    lowest: float = Field(0.002, gt=0, description="last noise level before zero")
    picture_guidance: float = Field(3.0, ge=0, description="g1, of the reference picture")
    guidance: float = Field(6.0, ge=0, description="g2, of sound and emotion")
    emotion_guidance: float | None = Field(
        None, ge=0, description="scale of the emotion alone, with a fourth pass; null: g2, in three passes"
    )
    shift: int = Field(7, ge=0, description="frames that the grid of windows moves a step")
    prior: Literal["mean", "sample"] = Field("mean", description="of a reference's Gaussian")
    motion: tuple[float, float] = Field((8.0, 16.0), description="motion of head and face that is asked for, 0 to 127")
    between: Literal["flow", "blend", "none"] = Field("flow", description="how 12.5 frames per second become 25")


class Settings(SettingsPart):
    """All of DICE-Talk."""

    source: Source = Field(
        "train",
        description="shipped: the networks that come with gmbench, where settings and data are theirs; train: new ones",
    )
    speech: Speech = Speech()
    vae: Vae = Vae()
    embedder: Embedder = Embedder()
    bank: Bank = Bank()
    unet: Unet = Unet()
    diffusion: Diffusion = Diffusion()
    sampling: Sampling = Sampling()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.vae.codec == "vae" and self.vae.channels != 4:
            raise ValueError(f"vae: Stable Video Diffusion's autoencoder has 4 channels, got {self.vae.channels}")
        return self

    @property
    def clip_folder(self) -> str:
        """Of Stable Video Diffusion, whose part image_encoder makes the picture's token."""
        return self.unet.folder or self.vae.folder

    def needed_files(self) -> dict[str, Path]:
        """Files of the user that training reads, by the key that names them."""
        found: dict[str, Path] = {}
        if self.speech.source == "whisper":
            found["speech.whisper"] = Path(self.speech.whisper) / "config.json"
        if self.vae.codec == "vae":
            found["vae.folder"] = Path(self.vae.folder) / "vae" / "config.json"
        if self.unet.folder:
            found["unet.folder"] = Path(self.unet.folder) / "unet" / "config.json"
        if self.diffusion.picture == "clip":
            found["diffusion.picture"] = Path(self.clip_folder) / "image_encoder" / "config.json"
        return found


ABLATIONS: dict[str, dict[str, dict[str, object]]] = {
    "wo_bank": {"bank": {"kind": "none"}},
    "wo_discrimination": {"diffusion": {"discrimination": 0.0}},
    "learnable_ca": {"bank": {"kind": "learnable"}},
    "wo_prior": {"embedder": {"prior": "mean"}},
    "visual_only": {"embedder": {"fusion": "none", "sound_again": None}},
    "wo_modality_dropout": {"embedder": {"modality_dropout": 0.0, "sound_again": None}},
}
"""What each ablation changes: the paper's of table 4, and two of our own (visual_only, wo_modality_dropout), whose
embedder never hears sound alone."""
