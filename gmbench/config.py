"""The configuration of a pipeline run: ``params.yaml`` as typed models; unknown keys are refused."""

import itertools
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gmbench.datasets.readers import known_dataset
from gmbench.devices.choice import known
from gmbench.errors import InputError
from gmbench.face.landmarks import known_backend
from gmbench.methods.registry import read_method_settings
from gmbench.names import closest
from gmbench.validation import explanation

FILE = Path("params.yaml")
RENAMED = {"evaluators": "extractors", "judges": "extractors"}
"""Keys of configurations written before the first release."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SelectionSection(_Section):
    """Which clips of a large dataset are used; see :mod:`gmbench.datasets.selection`."""

    clips: int = Field(ge=1, description="at most so many clips in all")
    per_folder: int = Field(0, ge=0, description="at most so many of one folder, of VoxCeleb2 one source video; 0: all")
    split: str = Field("train", description="split of the clips that are drawn from; empty: all splits")
    seed: int = 0


class DatasetSection(_Section):
    """One dataset of the run."""

    kind: str = Field(description="layout of the raw data; 'gmbench data list' names them")
    root: str = Field(description="folder of the raw data, below the project or elsewhere")
    crop: Literal["full", "anchor", "tube"] = Field("anchor", description="square crop of each clip")
    size: int = Field(256, description="side of the crops in pixels")
    landmarks: str = Field("mediapipe", description="landmark backend, built in or of another package")
    protocol: str = Field("full", description="evaluation protocol")
    extractors: Literal["official", "corpus"] = Field(
        "official", description="official feature extractors, or those trained on the corpus"
    )
    coefficients: Literal["fit", "truth"] = Field(
        "fit", description="what methods learn from: fitted coefficients, or the synthetic corpus' own"
    )
    mattes: Literal["auto", "segmenter", "still", "own", "truth"] = Field(
        "auto", description="where the person's mattes come from that the user does not bring: a network, a still "
        "camera's background, nowhere, or the synthetic corpus; auto: the corpus', else the network if its file is "
        "here, else the background",
    )  # fmt: skip
    models_of: str = Field(
        "", description="dataset whose checkpoints generate this one's videos; nothing is trained on this one"
    )
    reference: Literal["same", "other", "own"] = Field(
        "same", description="clip that shows the emotion: of the same speaker, of another one, or the scored clip"
    )
    waits_for: str = Field(
        "models/face_model.npz",
        description="what must exist first, and what DVC watches in place of the raw data: models/extractors for the "
        "corpus, or any file or folder",
    )
    selection: SelectionSection | None = Field(
        None, description="clips that are used; without it all are, and nothing of the others is opened with it"
    )

    @field_validator("landmarks")
    @classmethod
    def _known_backend(cls, name: str) -> str:
        return known_backend(name)

    @field_validator("kind")
    @classmethod
    def _known_dataset(cls, name: str) -> str:
        return known_dataset(name)


class CorpusSection(_Section):
    """The synthetic corpus; see :class:`gmbench.corpus.takes.CorpusSettings`."""

    seed: int = 0
    speakers: int = Field(4, ge=1)
    emotions: tuple[str, ...] = ()
    levels: tuple[int, ...] = (1, 2, 3)
    sentences: int = Field(4, ge=1, description="takes of each emotion and level")
    frames: int = Field(50, ge=30)
    size: int = Field(128, ge=32)
    pretraining_speakers: int = Field(0, ge=0)
    pretraining_clips: int = Field(0, ge=0)
    unseen_speakers: int = Field(0, ge=0, description="more people, for tests alone: dataset kind synth_unseen")


class FaceModelSection(_Section):
    """Which face model the run uses."""

    source: str = Field("synthetic", description="synthetic, or the path of a FaceVerse v3 file")
    seed: int = 0


class FitSection(_Section):
    """Fitting of the face model."""

    landmarks: Literal["sparse", "all"] = "sparse"
    id_frames: int = Field(24, ge=1, description="frames that a speaker's identity is taken from")
    steps: int = Field(8, ge=1, description="most Levenberg-Marquardt iterations a frame")
    smooth: bool = Field(True, description="mean over three frames of all but lips, jaw, lids and gaze")
    texture_frames: int = Field(3, ge=1, description="frames that a speaker's texture is taken from")
    refine: Literal["none", "photometric"] = Field(
        "none", description="photometric: move the landmark fit towards the pictures, 35 ms per frame of 128 pixels"
    )


class AudioSection(_Section):
    """Audio features."""

    extractor: Literal["logmel", "hubert"] = "logmel"
    hubert: str = Field("", description="folder of a HuBERT saved by transformers")
    pair: Literal["mean", "concat"] = "concat"


class RenderSection(_Section):
    """Renderings of the coefficients."""

    size: int = 128
    maps: tuple[Literal["color", "uv", "normal"], ...] = ("color",)


class LandmarkerSection(_Section):
    """Training of the corpus landmarker."""

    steps: int = Field(1400, ge=1)
    batch: int = Field(16, ge=1)
    rate: float = Field(0.004, gt=0)


class ExtractorsSection(_Section):
    """The corpus' feature extractors; see :mod:`gmbench.stages.train_extractors`."""

    source: Literal["shipped", "train"] = Field(
        "shipped",
        description="shipped: those that come with gmbench, whose recipe the rest must be; train: new ones",
    )
    people: int = Field(1600, ge=20, description="people drawn for the extractors alone, two takes each")
    frames: int = Field(2, ge=1, description="frames per take")
    held_out: int = Field(60, ge=0, description="people, the last ones, kept for the score")
    emotion_steps: int = Field(3000, ge=1)
    emotion_vgg_steps: int = Field(600, ge=1)
    syncnet_steps: int = Field(240, ge=1)
    identity_steps: int = Field(400, ge=1)
    features_steps: int = Field(500, ge=1)
    validation_clips: int = Field(32, ge=2, description="clips of the corpus on which every extractor is validated")


class TrainingSection(_Section):
    """How networks of methods are trained on a GPU; on the CPU always alone and in float32."""

    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        "float32", description="bfloat16: products in 16 bits, weights in 32; tf32: products of 10 bits"
    )
    jobs_per_device: int = Field(1, ge=1, description="networks that are trained on one GPU at a time")


class EvaluationSection(_Section):
    """What is scored."""

    metrics: tuple[str, ...] = ()
    controls: tuple[str, ...] = ("ground_truth", "still")
    split: str = Field(
        "test", description="split of the clips that are generated and scored: test, tune to choose recipes on, or all"
    )
    min_coverage: float = Field(
        0.0, ge=0, le=1, description="score fails if a number covers less than this share of its clips"
    )
    max_missing: float = Field(
        0.0, ge=0, le=1,
        description="score fails if more than this share of a metric's clips has no features in the store, though "
        "the extract stage reported no failure",
    )  # fmt: skip


class Params(_Section):
    """All of ``params.yaml``."""

    profile: str
    seed: int = 0
    workers: int = Field(2, ge=1)
    device: str = Field("auto", description="of networks: cpu, cuda, cuda:1, or auto for the GPU that is there")
    corpora: dict[str, CorpusSection] = Field(default_factory=dict)
    datasets: dict[str, DatasetSection]
    evaluate: tuple[str, ...] = Field((), description="datasets that methods are run and scored on")
    methods: tuple[str, ...] = Field(("render",), description="what is generated and scored")
    trained: tuple[str, ...] = Field((), description="systems to train, <method>[-<ablation>][-s<seed>]")
    systems: dict[str, dict[str, Any]] = Field(default_factory=dict, description="settings of each method")
    pretrain_on: str = Field("synth", description="dataset whose clips motion generators are pre-trained on")
    face_model: FaceModelSection
    fit: FitSection
    audio: AudioSection
    render: RenderSection
    landmarker: LandmarkerSection
    extractors: ExtractorsSection
    evaluation: EvaluationSection
    training: TrainingSection = TrainingSection()

    @field_validator("device")
    @classmethod
    def _known_device(cls, name: str) -> str:
        try:
            return known(name)
        except InputError as error:
            raise ValueError(str(error)) from error


def load(path: Path = FILE) -> Params:
    """Read a configuration.

    Raises:
        InputError: missing, not YAML, unknown key (with the nearest) or a value that does not fit, also in the settings
            of a method.
    """
    if not path.exists():
        raise InputError(f"{path}: no configuration here; write one with 'gmbench profile use demo'")
    try:
        params = Params.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML ({error})") from error
    except ValidationError as error:
        first = min(error.errors(), key=lambda e: str(e["loc"][-1]) not in RENAMED)
        place = ".".join(str(part) for part in first["loc"])
        renamed = RENAMED.get(str(first["loc"][-1]), "")
        wrong = f"{place}: is now called {renamed}; rename it" if renamed else explanation(error, Params)
        raise InputError(f"{path}: {wrong}") from error
    for method, settings in params.systems.items():
        try:
            read_method_settings(method, settings)
        except InputError as error:
            raise InputError(f"{path}: systems: {error}") from error
    return params


def profiles() -> dict[str, str]:
    """Texts of the profiles by name."""
    folder = resources.files("gmbench").joinpath("profiles")
    return {
        p.name.removesuffix(".yaml"): p.read_text("utf-8")
        for p in sorted(folder.iterdir(), key=lambda p: p.name)
        if p.name.endswith(".yaml")
    }


def summary(profile: str) -> str:
    """What a profile's text says of itself: the comment that it begins with, in one line."""
    comment = itertools.takewhile(lambda line: line.startswith("#"), profile.splitlines())
    return " ".join(line.lstrip("# ") for line in comment)


def use_profile(name: str, path: Path = FILE, force: bool = False) -> None:
    """Write a profile as the configuration.

    Raises:
        InputError: unknown, or the configuration there is no shipped profile any more, and not ``force``.
    """
    known = profiles()
    if name not in known:
        raise InputError(f"unknown profile {name!r}; {closest(name, known)}")
    check_unedited(path, force)
    path.write_text(known[name], "utf-8")


def check_unedited(path: Path, force: bool = False) -> None:
    """Raise InputError where a configuration would be lost: it is there, is no shipped profile, and not ``force``."""
    if path.exists() and not force and (edited := _edited(path, profiles())):
        raise InputError(f"{path}: {edited}; save it under another name, or overwrite it with --force")


def personal(name: str, **section: object) -> str:
    """The text of the profile ``personal`` for a person of a name, whose dataset has other values."""
    text = profiles()["personal"]
    params = yaml.safe_load(text)
    dataset = params["datasets"].pop("person") | section
    params |= {"datasets": {name: dataset}, "evaluate": [name], "pretrain_on": name}
    params["render"]["size"] = min(256, int(dataset["size"]))
    written = yaml.safe_dump(params, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
    return f"# {summary(text)}\n{written}"


def _edited(path: Path, known: dict[str, str]) -> str:
    """How a configuration differs from the profile that it names; empty where it is one of those that ship."""
    try:
        own = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return "is not YAML, so nobody knows what it holds"
    shipped = {name: yaml.safe_load(text) for name, text in known.items()}
    if own in shipped.values():
        return ""
    base = shipped.get(own.get("profile", ""), {}) if isinstance(own, dict) else {}
    changed = sorted(key for key in {*own, *base} if own.get(key) != base.get(key)) if base else []
    return f"was edited (other than in its profile: {', '.join(changed)})" if changed else "is no profile that ships"
