"""FlowVQTalker's configuration: typed, with the paper's values as defaults; unknown keys are refused."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from gmbench.methods.settings import FallingRate, SettingsPart, check_heads

STAGES = ("codebook", "expflow", "poseflow", "vqig")
"""Names of the networks, in the order of their training."""
Ladder = Literal["b", "b_w", "b_w_phi", "b_w_phi_m", "full"]
LADDER_PARTS: dict[Ladder, tuple[str, ...]] = {
    "b": (),
    "b_w": ("warp",),
    "b_w_phi": ("warp", "fuse"),
    "b_w_phi_m": ("warp", "fuse", "attention"),
    "full": ("warp", "fuse", "attention", "codes"),
}
"""Parts of the image generator in each variant of figure 7."""


class _Flow(SettingsPart):
    """Sizes that both flows have."""

    steps: int = Field(16, ge=1, description="K, steps of the flow")
    width: int = 256
    layers: int = Field(4, ge=1, description="of each coupling's transformer")
    heads: int = 4
    history: int = Field(10, ge=1, description="tau, frames before that the context holds")
    audio_halfwidth: int = Field(4, ge=0, description="frame t reads the sound of t - halfwidth to t + halfwidth")
    audio_frames: int = Field(
        1, ge=1, description="frames that an audio token is made of; odd, more for log-mel features"
    )
    audio_layers: int = Field(0, ge=0, description="further layers before the audio tokens; for log-mel features")
    audio_direct: bool = Field(
        False, description="whether a coupling's own token has the sound of its frame in it, beside attending to it"
    )
    history_dropout: float = Field(
        0.4, ge=0, lt=1, description="data dropout: probability that a frame of the history is zero in training"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="of the transformers")
    window: int = Field(32, ge=2, description="frames of a clip that a batch takes in a row")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_heads(self.width, self.heads)
        if not self.audio_frames % 2:
            raise ValueError(f"audio_frames must be odd, got {self.audio_frames}")
        return self

    @property
    def hears_layers(self) -> bool:
        """Whether audio tokens come from layers that all couplings share, and not from a projection of each."""
        return self.audio_frames > 1 or self.audio_layers > 0


class ExpFlow(_Flow):
    """Flow of expressions; FlowVQTalker, section 3.2."""

    degrees: float = Field(50.0, ge=1, description="of freedom of the mixture's components; .inf: gmm")
    norm: Literal["class", "shared"] = Field("class", description="a normalisation per emotion, or one for all")
    label_context: bool = Field(True, description="whether the context names the emotion, as norm and prior do")
    source: Literal["neutral", "own", "either"] = Field(
        "neutral",
        description="frame that stands for the source image: of the person's neutral clips, of the clip, or either in "
        "half of the windows",
    )
    coefficients: Literal["landmarks", "standardised"] = Field(
        "landmarks", description="what makes the 171 columns count in the 64 components: their effect, or deviations"
    )
    unlabelled: bool = Field(True, description="whether clips of many people are learnt from, as the class 'none'")
    track_people: int = Field(
        0,
        ge=0,
        description="further people with labels to learn from, drawn without pictures as the corpus draws its own",
    )
    track_share: float = Field(0.5, ge=0, le=1, description="share of the track people in a batch")
    consistency: float = Field(0.1, ge=0, description="weight of the loss on velocities; 0: wo_consistency")
    lips: float = Field(
        0.0,
        ge=0,
        description="weight of the squared error of the lips in samples, which the sound must tell; 0 as in the paper",
    )
    consistency_every: int = Field(4, ge=1, description="steps between those with these two losses, on samples")
    stored: int = Field(20_000, ge=1, description="most latents of training frames that are kept for the projection")
    train: FallingRate = FallingRate(steps=80_000, batch=16, rate=1.5e-3, warm_up=3_000, last_rate=0.1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.degrees != float("inf") and self.degrees % 1:
            raise ValueError(f"degrees must be whole or .inf, got {self.degrees:g}")
        return self


class PoseFlow(_Flow):
    """Flow of head poses; FlowVQTalker, eq. 12."""

    train: FallingRate = FallingRate(steps=80_000, batch=16, rate=1e-4)


class Sampling(SettingsPart):
    """How latents are drawn; no network depends on it."""

    latent: Literal["ar", "iid", "hold"] = Field("ar", description="over time: smooth, drawn anew, or one for all")
    persistence: float = Field(0.9, ge=0, lt=1, description="of ar from frame to frame")
    projection: bool = Field(True, description="False: wo_projection")
    neighbours: int = Field(10, ge=1, description="stored latents that a projected one is made of")
    transfer: Literal["frames", "mean"] = Field(
        "frames", description="what a reference gives: its latents frame by frame, or their mean, which has no lips"
    )
    reference_source: Literal["own", "neutral"] = Field(
        "own",
        description="source image of a reference: its first frame, or the training clips' mean neutral face",
    )


class Codebook(SettingsPart):
    """Autoencoder of pictures with a codebook; FlowVQTalker, section 3.3, on VQGAN."""

    side: int = Field(512, ge=32, multiple_of=32)
    wavelets: bool = Field(False, description="whether the Haar transform comes first, which halves the sides")
    widths: tuple[int, ...] = Field(
        (64, 128, 128, 256, 256, 512), min_length=1, description="channels; each after the first halves"
    )
    blocks: int = Field(2, ge=1, description="residual blocks a level")
    codes: int = Field(1024, ge=2, description="N")
    size: int = Field(256, ge=1, description="d, size of a code")
    start: Literal["random", "patches"] = Field(
        "random", description="what is trained: networks alone, or ones that refine the linear code of bare patches"
    )
    start_frames: int = Field(128, ge=1, description="frames that the code of patches and its codebook are fitted to")
    face: float = Field(
        0.0, ge=0, description="further weight of rec, and of the patches of the start, where brows, eyes and mouth are"
    )
    patience: int = Field(50, ge=0, description="batches after which an unused code starts again; 0: never")
    perceptual: str = Field("none", description="none, randconv, or the path of torchvision's VGG-19 weights")
    weights: dict[Literal["rec", "per", "adv", "code", "commitment"], float] = Field(
        {"rec": 1.0, "per": 1.0, "adv": 0.8, "code": 1.0, "commitment": 0.25}
    )
    adversarial_from: int = Field(0, ge=0, description="step from which the discriminator takes part")
    discriminator: int = Field(64, ge=1, description="width of the discriminator")
    gate: float = Field(
        0.56, ge=0, le=1,
        description="least share of held-out frames whose emotion a classifier of its own sees in the reconstruction "
        "as in the frame; below it the training fails",
    )  # fmt: skip
    gate_steps: int = Field(300, ge=1, description="of that classifier's training")
    train: FallingRate = FallingRate(steps=400_000, batch=8, rate=7e-5)

    @property
    def cells(self) -> int:
        """s, places on a side."""
        return self.side // 2 ** (len(self.widths) - 1 + self.wavelets)


class Vqig(SettingsPart):
    """Vector-quantised image generator; FlowVQTalker, section 3.3."""

    parts: Ladder = Field("full", description="what stands of it: the ladder of figure 7")
    style: int = Field(256, description="sigma, width of the motion descriptor")
    flow_base: int = Field(32, description="first width of the warping network")
    flow_most: int = Field(256, description="its greatest width")
    width: int = Field(512, description="of the transformer that picks codes")
    layers: int = Field(9, ge=1)
    heads: int = 8
    start: Literal["random", "nearest"] = Field(
        "random",
        description="what is drawn before it is trained: by chance; or the warped source's own codes, with motion "
        "read at the middle frame alone",
    )
    coefficients: Literal["standardised", "effect"] = Field(
        "standardised",
        description="how loud the 64 components of expressions are: all alike, or by how far they move the landmarks",
    )
    relative: bool = Field(
        False,
        description="whether coefficients are given minus the source picture's, which the flow then need not find out",
    )
    own_clip: float = Field(
        0.0, ge=0, le=1, description="share of the source frames that are of the target's own clip, not of any clip"
    )
    even_lips: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of targets that are drawn evenly over how far lips are open; few are wide",
    )
    face: float = Field(0.0, ge=0, description="further weight of ce, feat and rec where brows, eyes and mouth are")
    weights: dict[Literal["ce", "feat", "warp", "flow", "rec", "per", "adv"], float] = Field(
        {"ce": 0.5, "feat": 1.0, "warp": 2.5, "flow": 0.0, "rec": 1.0, "per": 1.0, "adv": 0.8},
        description="flow: of where landmarks are led, which lets the warp start in few steps; 0 as in the paper",
    )
    warp_until: int = Field(
        0, ge=0, description="step until which only the warp learns, by warp and flow, where there is one"
    )
    image_from: int = Field(200_000, ge=0, description="step from which the image losses take part")
    train: FallingRate = FallingRate(steps=300_000, batch=8, rate=5e-5)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_heads(self.width, self.heads)
        return self


class Settings(SettingsPart):
    """All of FlowVQTalker."""

    codebook: Codebook = Codebook()
    expflow: ExpFlow = ExpFlow()
    poseflow: PoseFlow = PoseFlow()
    vqig: Vqig = Vqig()
    sampling: Sampling = Sampling()

    @model_validator(mode="after")
    def _attends(self) -> Self:
        if self.codebook.size % self.vqig.heads:
            raise ValueError(f"codebook: size {self.codebook.size} is no multiple of {self.vqig.heads} heads of vqig")
        if self.vqig.coefficients == "effect" and self.expflow.coefficients != "landmarks":
            raise ValueError("vqig: coefficients: effect needs expflow: coefficients: landmarks, whose effect is known")
        return self

    def needed_files(self) -> dict[str, Path]:
        """Files of the user that training reads, by the key that names them."""
        loss = self.codebook.perceptual
        return {} if loss in ("none", "randconv") else {"codebook.perceptual": Path(loss)}


ABLATIONS: dict[str, dict[str, dict[str, object]]] = {
    "gmm": {"expflow": {"degrees": float("inf")}},
    "wo_dropout": {"expflow": {"history_dropout": 0.0}, "poseflow": {"history_dropout": 0.0}},
    "wo_projection": {"sampling": {"projection": False}},
    "wo_consistency": {"expflow": {"consistency": 0.0}},
    "one_actnorm": {"expflow": {"norm": "shared"}},
    **{name: {"vqig": {"parts": name}} for name in ("b", "b_w", "b_w_phi", "b_w_phi_m")},
}
"""What each ablation changes: the paper's of figures 6 and 7, and two of our own (one_actnorm, wo_consistency)."""
