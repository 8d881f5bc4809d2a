"""GMTalker's configuration: typed, with the paper's values as defaults; unknown keys are refused."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from gmbench.errors import InputError
from gmbench.methods.settings import SettingsPart, TrainingSettings

STAGES = ("gmeg", "nfmg", "head")
"""Names of the networks, in the order of the paper."""
DRAWN = "drawn"
"""Starting point of drawn people."""
RENDERING_SIDE, SMALLEST_SIDE = 256, 64
"""Side of the renderings that the paper's head generator sees, and the least that its encoder can halve; with
``detail`` half of that will do."""


class _Generator(SettingsPart):
    """What both generators of coefficients have."""

    width: int = Field(512, ge=1)
    heads: int = Field(8, ge=1)
    audio_frames: int = Field(1, ge=1, description="frames that an audio input sees; odd, more for log-mel features")
    align_halfwidth: int = Field(
        2, ge=0, description="frames of sound before and after its own that a frame attends to; with 0, FaceFormer's "
        "choice, what attends learns nothing",
    )  # fmt: skip
    window: tuple[int, int] = Field((50, 150), description="shortest and longest training window in frames")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of {self.heads} heads")
        if not self.audio_frames % 2:
            raise ValueError(f"audio_frames must be odd, got {self.audio_frames}")
        if not 1 <= self.window[0] <= self.window[1]:
            raise ValueError(f"window must go from a length to a longer one, got {list(self.window)}")
        return self


class Gmeg(_Generator):
    """Expression generator; GMTalker, section III-B."""

    layers: tuple[int, int, int] = Field((8, 8, 8), description="encoder, mixture mapper, decoder")
    z: int = Field(128, description="size of the expression latent")
    w: int = Field(64, description="size of the sequence latent")
    dropout: float = 0.1
    prior: Literal["mixture", "normal", "labelled"] = Field(
        "mixture", description="normal: w/o GM; labelled: w/o GM, the label embedded in the decoder"
    )
    mapper_tokens: Literal["component", "single"] = "component"
    objective: Literal["bound", "literal"] = Field("bound", description="literal: the loss as the paper prints it")
    intensity: Literal["ignore", "neutral_mix"] = "ignore"
    teacher: Literal["masked", "rollout", "plain"] = "masked"
    audio_layers: int = Field(0, ge=0, description="further layers of the decoder's audio input; for log-mel features")
    weights: dict[Literal["rec", "cond", "w", "emo", "lips"], float] = Field(
        {"rec": 1.0, "cond": 0.5, "w": 0.5, "emo": 0.5},
        description="of eq. 7; lips: of the error where the expressions move the lips, not the paper's",
    )
    kl_scale: float = 0.125
    free_nats: float = 0.02
    track_people: int = Field(
        0,
        ge=0,
        description="further people to learn from, drawn without pictures as the corpus draws its own",
    )
    track_share: float = Field(0.5, gt=0, lt=1, description="share of the track people in a batch")
    temperature: float = Field(
        1.0, ge=0, description="spread of sampled expressions where a request names none; 1 is the prior's"
    )
    decay: bool = Field(False, description="the learning rate falls to zero as a cosine; else it stays")
    train: TrainingSettings = TrainingSettings(steps=60_000, batch=32, rate=1e-4)


class Nfmg(_Generator):
    """Motion generator; GMTalker, section III-C."""

    layers: tuple[int, int] = Field((8, 8), description="encoder, decoder")
    z: int = 16
    stride: int = Field(4, ge=1, description="frames per latent")
    latent: Literal["frame", "pooled"] = "frame"
    flow_steps: int = Field(4, ge=0, description="0: w/o flow, a standard normal prior")
    flow_levels: int = Field(
        4, ge=0, description="couplings between latents 1, 2, 4, ... apart, without which a flow leaves the smoothness "
        "of motion to its noise; 0 as in the paper",
    )  # fmt: skip
    flow_width: int = 128
    flow_layers: int = 4
    dropout: float = 0.1
    weights: dict[Literal["rec", "kl", "vel"], float] = Field({"rec": 1.0, "kl": 0.5, "vel": 1.0})
    pretrained: bool = Field(True, description="False: w/o pre-train, all steps of both trainings on the person alone")
    pretrain_people: int = Field(
        0, ge=0, description="drawn for pre-training on the synthetic corpus, a clip each; 0: the corpus' own"
    )
    pretrain: TrainingSettings = TrainingSettings(steps=100_000, batch=64, rate=1e-4)
    finetune: TrainingSettings = TrainingSettings(steps=3_000, batch=32, rate=5e-5)


class Head(SettingsPart):
    """Head generator; GMTalker, section III-D, on StyleAvatar's StyleUNet."""

    size_in: int = Field(0, ge=0, description="side of the rendering; 0: 256, or the pictures' where that is less")
    size_out: int = Field(0, ge=0, description="side of the pictures; 0: that of the dataset's crops")
    channels: dict[int, int] = Field(
        {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32},
        description="width of the features at a side",
    )
    style: int = 64
    detail: bool = Field(
        False, description="encoder from the full rendering on, joined to the last stage; not StyleUNet's"
    )
    style_spread: float = Field(1.0, gt=0, description="of the first weights that give styles; less learns faster")
    emotions_apart: float = Field(0.0, ge=0, description="deviation of the emotions' styles at the start")
    momentum: float = Field(0.0, ge=0, lt=1, description="Adam's first beta")
    gain: float = Field(1.0, description="of the generator's activations; 1 as in StyleUNet, 2 ** 0.5 learns faster")
    emotion: bool = Field(True, description="False: w/o EMN, one mapping network for all")
    shoulder: Literal["reference", "per_frame_nearest"] = "reference"
    perceptual: str = Field("none", description="none, randconv, or the path of torchvision's VGG-19 weights")
    weights: dict[Literal["l1", "per", "gan"], float] = Field({"l1": 1.0, "per": 0.03, "gan": 1.0})
    rate_d: float = Field(2e-3, gt=0, description="learning rate of the discriminator")
    gan_every: int = Field(1, ge=1, description="steps between those with a discriminator; 1 as in StyleUNet")
    face: float = Field(0.0, ge=0, description="further weight of L1 where the rendering is; 0 as in the paper")
    r1_every: int = Field(16, ge=1, description="steps with a discriminator between those with its penalty")
    r1: float = 10.0
    ema: float = Field(0.5 ** (32 / 10_000), gt=0, lt=1)
    seed: int | None = Field(None, ge=0, description="of this training; the system's by default")
    train: TrainingSettings = TrainingSettings(steps=60_000, batch=4, rate=2e-3)

    def for_crops(self, side: int) -> "Head":
        """These settings with the sizes that a dataset of crops of a side gives, where they name none.

        Raises:
            InputError: a side that is no power of two or too small, or has no width among the channels.
        """
        out = self.size_out or side
        inside = self.size_in or min(RENDERING_SIDE, out)
        least = SMALLEST_SIDE // 2 if self.detail else SMALLEST_SIDE
        for name, value in (("size_in", inside), ("size_out", out)):
            if value < least or value & (value - 1) or value not in self.channels:
                sides = ", ".join(str(known) for known in sorted(self.channels) if known >= least)
                raise InputError(
                    f"gmtalker: head.{name}: {value} (crops of {side}) is no side that the head draws: {sides};"
                    " set the dataset's size to one of these, or size_in and size_out"
                )
        if inside > out:
            raise InputError(f"gmtalker: head.size_in: a rendering of {inside} for pictures of {out}; expected no more")
        return self.model_copy(update={"size_in": inside, "size_out": out})


class Start(SettingsPart):
    """Where the expression and motion generators begin; the head generator always begins from nothing."""

    source: str = Field(
        "", description="empty: from nothing; drawn: people of the synthetic corpus, drawn without pictures; else a "
        "folder of GMTalker's checkpoints, such as models/synth/gmtalker"
    )  # fmt: skip
    people: int = Field(100, ge=1, description="drawn people, one clip of each in every emotion at two levels")
    train: TrainingSettings = TrainingSettings(steps=1500, batch=16, rate=2e-3)


class Settings(SettingsPart):
    """All of GMTalker."""

    start: Start = Start()
    most_frames: int = Field(
        0, ge=0, description="frames of a person that the head generator learns from, evenly spread; 0: all"
    )
    gmeg: Gmeg = Gmeg()
    nfmg: Nfmg = Nfmg()
    head: Head = Head()

    def needed_files(self) -> dict[str, Path]:
        """Files of the user that training reads, by the key that names them."""
        loss, start = self.head.perceptual, self.start.source
        files = {} if loss in ("none", "randconv") else {"head.perceptual": Path(loss)}
        return files if start in ("", DRAWN) else files | {"start.source": Path(start) / "gmeg.safetensors"}


ABLATIONS: dict[str, dict[str, dict[str, object]]] = {
    "wo_gm": {"gmeg": {"prior": "normal"}},
    "wo_gm_label": {"gmeg": {"prior": "labelled"}},
    "literal": {"gmeg": {"objective": "literal"}},
    "wo_flow": {"nfmg": {"flow_steps": 0}},
    "wo_pretrain": {"nfmg": {"pretrained": False}},
    "wo_emn": {"head": {"emotion": False}},
    "one_head": {"head": {"seed": 0}},
}
"""What each ablation of the paper's tables V and VI changes; ``one_head`` shares the head generators over seeds, for
claims that are not about them."""
