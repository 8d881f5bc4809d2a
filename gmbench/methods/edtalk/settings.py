"""EDTalk's configuration: typed, with the paper's values as defaults; unknown keys are refused."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from gmbench.methods.settings import FallingRate, SettingsPart, Source

STAGES = ("backbone", "decouple", "teachers", "expression", "lips", "posemotion", "semantics")
"""Names of the networks, in the order of their training."""
Space = Literal["mouth", "pose", "expression"]
SPACES: tuple[Space, ...] = ("mouth", "pose", "expression")


class AnimatorTraining(FallingRate):
    """Optimisation of a part of the animator."""

    momentum: float = Field(0.0, ge=0, lt=1, description="first beta of Adam")


class DrawnPeople(SettingsPart):
    """Further people of the synthetic corpus, labelled and drawn for a training, in each emotion and level."""

    people: int = Field(0, ge=0)
    frames: int = Field(30, ge=1, description="of each clip, in a row; 8 ms each on one core")


class Backbone(SettingsPart):
    """Latent image animator: encoder, generator, and one space of motion for its own training; section 3.1."""

    side: int = Field(256, ge=16, description="of the pictures, a power of two")
    latent: int = Field(512, ge=8, description="size of f")
    channels: dict[int, int] = Field(
        {4: 512, 8: 512, 16: 512, 32: 512, 64: 256, 128: 128, 256: 64, 512: 32}, description="by side of the maps"
    )
    bases: int = Field(20, ge=1, description="of the space that the backbone is trained with")
    trunk_layers: int = Field(4, ge=1)
    trunk_act: bool = Field(False, description="leaky rectifiers between the layers that all spaces share")
    perceptual: str = Field("none", description="none, randconv, or the path of torchvision's VGG-19 weights")
    scales: int = Field(4, ge=1, description="sizes of the pictures that the perceptual loss sees")
    weights: dict[Literal["l1", "per", "adv"], float] = Field({"l1": 1.0, "per": 10.0, "adv": 1.0})
    adversarial_every: int = Field(1, ge=1, description="steps between those with the adversarial loss")
    landmark_aux: float = Field(
        0.0, ge=0, description="weight of losses by landmarks: predicted from f, and where the flow leads from them"
    )
    mouth: float = Field(1.0, ge=0, description="how often L1 counts in the box of the mouth")
    lips: float = Field(1.0, ge=0, description="how often the lips' landmarks count in landmark_aux, beside the others")
    even_lips: float = Field(0.0, ge=0, le=1, description="share of drivers drawn evenly over how far lips are open")
    gate: bool = Field(
        True, description="whether training fails that draws held-out frames worse than their still source"
    )
    train: AnimatorTraining = AnimatorTraining(steps=100_000, batch=12, rate=2e-3)

    @model_validator(mode="after")
    def _sides(self) -> Self:
        if self.side & (self.side - 1):
            raise ValueError(f"side must be a power of two, got {self.side}")
        sides = [4 << level for level in range(self.side.bit_length() - 2)]
        if missing := [side for side in sides if self.channels.get(side, 0) < 1]:
            raise ValueError(f"channels must name a width for side {missing[0]}")
        return self


class Spaces(SettingsPart):
    """Sizes of the three spaces; sections 3.1 and 3.2."""

    mouth: int = Field(20, ge=1)
    pose: int = Field(6, ge=1)
    expression: int = Field(10, ge=1)
    bank: Literal["orthonormal", "scaled", "none"] = Field(
        "orthonormal", description="of bases: by QR; of length 1 (wo_orthogonal); features instead of weights (wo_bank)"
    )


class Decouple(SettingsPart):
    """Mouth and pose apart; section 3.2, eqs. 3 to 7."""

    start: Literal["principal", "switched", "random"] = Field(
        "principal",
        description="of the bases: the backbone's, the directions that move most for the pose, or those that switched "
        "mouths move least; or drawn",
    )
    train_backbone: bool = Field(True, description="whether encoder, trunk and generator learn too")
    cross: bool = Field(True, description="False: wo_cross")
    weights: dict[Literal["l1", "per", "adv"], float] = Field({"l1": 1.0, "per": 10.0, "adv": 1.0})
    adversarial_every: int = Field(1, ge=1, description="steps between those with the adversarial loss")
    fea: float = Field(1.0, ge=0, description="weight of eq. 7; 0: wo_fea")
    mouth: float = Field(1.0, ge=0, description="how often L1 counts in the box of the mouth")
    even_lips: float = Field(0.0, ge=0, le=1, description="share of frames drawn evenly over how far lips are open")
    box: float = Field(5 / 256, ge=0, description="how far the pasted box reaches beyond the lips, in sides")
    feather: float = Field(2 / 256, ge=0, description="width of the pasted box' soft edge, in sides")
    train: AnimatorTraining = AnimatorTraining(steps=4_000, batch=4, rate=2e-3)


class Teachers(SettingsPart):
    """Networks of EDTalk's own that losses ask: coefficients and emotion of a face (eq. 9), lips and sound (eq. 12)."""

    widths: tuple[int, ...] = Field((16, 32, 64, 96), min_length=1, description="of the face's network")
    features: int = Field(64, ge=1, description="of the face's network")
    sync_widths: tuple[int, ...] = Field((32, 64, 128, 256), min_length=1)
    sync_size: int = Field(512, ge=1)
    mouth: tuple[int, int] = Field((48, 96), description="height and width of the lower half of a face")
    drawn: DrawnPeople = DrawnPeople()
    train: FallingRate = FallingRate(steps=20_000, batch=32, rate=1e-3)


class Expression(SettingsPart):
    """Expression beside mouth and pose; section 3.2, eqs. 8 to 10."""

    window: int = Field(5, ge=1, description="K, frames whose expression is averaged; 1: wo_window")
    eem: Literal["residual", "literal", "none"] = Field(
        "residual", description="enhancement of the source's features: identity at the start, eq. 8, or none (wo_eem)"
    )
    neutral: float = Field(0.5, ge=0, le=1, description="share of sources that are neutral frames of the person")
    reads: Literal["latent", "teacher"] = Field(
        "latent",
        description="what weights are read from: f (wo_sight), or beside it what the face's teacher sees of an emotion",
    )
    drawn: DrawnPeople = DrawnPeople()
    face: float = Field(1.0, ge=0, description="how often L1 counts in the box of the face")
    weights: dict[Literal["l1", "per", "adv"], float] = Field({"l1": 1.0, "per": 10.0, "adv": 1.0})
    adversarial_every: int = Field(1, ge=1, description="steps between those with the adversarial loss")
    mot: float = Field(10.0, ge=0, description="weight of eq. 9, by the teachers; 0: wo_mot")
    mc: float = Field(1.0, ge=0, description="weight of eq. 10, by the mouth; 0: wo_mc")
    train: AnimatorTraining = AnimatorTraining(steps=20_000, batch=4, rate=2e-3)


class Lips(SettingsPart):
    """Mouth from sound; section 3.3, eqs. 11 and 12."""

    widths: tuple[int, int, int, int, int] = Field((32, 64, 128, 256, 512), description="of the convolutions")
    frames: int = Field(5, ge=5, description="of a clip in a batch; the sync teacher sees five")
    weights: dict[Literal["fea", "velocity", "rec", "mouth"], float] = Field(
        {"fea": 1.0, "velocity": 0.0, "rec": 1.0, "mouth": 0.0},
        description="of eq. 11's two terms, of the weights' velocity, and of L1 in the mouth's box",
    )
    standardised: bool = Field(False, description="whether fea and velocity count each weight in its own deviation")
    drawn: DrawnPeople = DrawnPeople()
    sync: float = Field(1.0, ge=0, description="weight of eq. 12; 0: wo_sync")
    pictures_every: int = Field(1, ge=1, description="steps between those with losses of pictures: rec, mouth, sync")
    train: FallingRate = FallingRate(steps=20_000, batch=4, rate=1e-4)

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if self.drawn.people and self.drawn.frames < self.frames:
            raise ValueError(f"drawn: frames must be at least the {self.frames} of a run, got {self.drawn.frames}")
        return self


class PoseMotion(SettingsPart):
    """Pose from sound; section 3.3, eqs. 13 and 14."""

    kind: Literal["flow", "mean"] = Field("flow", description="mean: regression (mean_pose)")
    steps: int = Field(16, ge=1, description="K, steps of the flow")
    components: int = Field(
        64, ge=1, description="most numbers that it makes; of longer weights (wo_bank's) their principal components"
    )
    width: int = Field(256, ge=1)
    audio_halfwidth: int = Field(4, ge=0, description="frame t reads the sound of t - halfwidth to t + halfwidth")
    window: int = Field(32, ge=2, description="frames of a clip that a batch takes in a row")
    weights: dict[Literal["mle", "rec", "tem"], float] = Field({"mle": 1.0, "rec": 0.1, "tem": 1.0})
    train: FallingRate = FallingRate(steps=20_000, batch=16, rate=1e-4)


class Semantics(SettingsPart):
    """Expression from tone and words; section 3.3, eq. 15."""

    speech: str = Field("", description="folder of a HuBERT that is fine-tuned; empty: a small network on the features")
    text: str = Field("", description="folder of a RoBERTa; empty: a bag of hashed words")
    tone: Literal["transformer", "convolutions"] = Field("transformer", description="of what the small network is made")
    width: int = Field(256, ge=1, description="of the small network")
    layers: int = Field(2, ge=1)
    heads: int = Field(4, ge=1)
    words: int = Field(256, ge=1, description="places that words are hashed to")
    masking: bool = Field(True, description="whether one modality is left out in half of the draws; False: wo_mask")
    drawn: DrawnPeople = DrawnPeople()
    train: FallingRate = FallingRate(steps=5_000, batch=32, rate=1e-4)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of {self.heads} heads")
        return self


class Generation(SettingsPart):
    """What generation does beside the networks; none depends on it."""

    smooth: bool = Field(True, description="whether weights of the mouth from sound are smoothed over three frames")
    persistence: float = Field(0.9, ge=0, lt=1, description="of the pose's noise from frame to frame")
    pose_smoothing: float = Field(
        0.0, ge=0, description="deviation in frames of the Gaussian that poses from sound are smoothed by"
    )
    driven_mouth_gain: float = Field(
        1.0,
        ge=0,
        description="how far a mouth goes from the source's, over the video's weights that drive it",
    )


class Settings(SettingsPart):
    """All of EDTalk."""

    source: Source = Field(
        "train",
        description="shipped: backbone and teachers that come with gmbench, where settings and data are theirs; "
        "train: new ones",
    )
    backbone: Backbone = Backbone()
    spaces: Spaces = Spaces()
    decouple: Decouple = Decouple()
    teachers: Teachers = Teachers()
    expression: Expression = Expression()
    lips: Lips = Lips()
    posemotion: PoseMotion = PoseMotion()
    semantics: Semantics = Semantics()
    generation: Generation = Generation()

    @model_validator(mode="after")
    def _orthogonal(self) -> Self:
        s = self.spaces
        if s.mouth + s.pose + s.expression > self.backbone.latent:
            raise ValueError(f"spaces: more bases than the {self.backbone.latent} numbers of backbone.latent")
        if self.backbone.bases > self.backbone.latent:
            raise ValueError(f"backbone.bases: more than the {self.backbone.latent} numbers of latent")
        return self

    @property
    def drawn(self) -> dict[str, DrawnPeople]:
        """The further people of each network that learns from some."""
        parts = {name: getattr(getattr(self, name), "drawn", DrawnPeople()) for name in STAGES}
        return {name: part for name, part in parts.items() if part.people}

    def after(self, name: str) -> int:
        """How many further people come before a network's: the teachers', which those that ask them must not know."""
        return 0 if name == "teachers" else self.teachers.drawn.people

    def needed_files(self) -> dict[str, Path]:
        """Files of the user that training reads, by the key that names them."""
        loss = self.backbone.perceptual
        files = {} if loss in ("none", "randconv") else {"backbone.perceptual": Path(loss)}
        for name in ("speech", "text"):
            if folder := getattr(self.semantics, name):
                files[f"semantics.{name}"] = Path(folder) / "config.json"
        return files


ABLATIONS: dict[str, dict[str, dict[str, object]]] = {
    "wo_bank": {"spaces": {"bank": "none"}},
    "wo_orthogonal": {"spaces": {"bank": "scaled"}},
    "wo_cross": {"decouple": {"cross": False}},
    "wo_fea": {"decouple": {"fea": 0.0}},
    "wo_window": {"expression": {"window": 1}},
    "wo_eem": {"expression": {"eem": "none"}},
    "wo_sight": {"expression": {"reads": "latent"}},
    "wo_mot": {"expression": {"mot": 0.0}},
    "wo_mc": {"expression": {"mc": 0.0}},
    "wo_sync": {"lips": {"sync": 0.0}},
    "mean_pose": {"posemotion": {"kind": "mean"}},
    "wo_mask": {"semantics": {"masking": False}},
}
"""What each ablation changes: the paper's of figure 6 (wo_bank, wo_orthogonal), and our own, one a component."""
