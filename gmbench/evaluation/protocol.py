"""Protocols: named, hashed YAML files that say how clips are compared."""

from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from gmbench.devices import CPU, choose
from gmbench.errors import InputError
from gmbench.face import landmarks
from gmbench.names import closest
from gmbench.store import digest

_FORMER_NAME = "judges"
"""Name of the field ``extractors`` in protocol files and hashes of gmbench before its first release."""
_YOUNGER = {"emotion_network": "mead", "quality_frames": 0, "dtw_gamma": 0.0}
"""Fields that are younger than the first records, with the value under which those stay comparable."""


class Protocol(BaseModel):
    """How clips are cropped, paired and scored; the hash of all fields but the description stands in every record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="name in records and tables")
    description: str = ""
    crop: Literal["full", "eat128"] = Field("full", description="frames that PSNR, SSIM and CPBD see")
    pairing: Literal["index", "eat_linspace"] = Field(
        "index", description="frame t with frame t, or both clips resampled to the shorter length"
    )
    fps: Literal[25] = Field(25, description="frames per second of everything compared")
    sample_rate: Literal[16000] = Field(16000, description="samples per second, mono")
    landmarks: str = Field("mediapipe", description="landmark backend, built in or of another package")
    pose: Literal["mediapipe", "pnp", "tokenhpe"] = Field(
        "mediapipe", description="MediaPipe's matrix, PnP on the 68 points, or the published network"
    )
    extractors: Literal["official", "corpus"] = Field(
        "official",
        validation_alias=AliasChoices("extractors", _FORMER_NAME),
        description="official networks, or those that the pipeline trained on the synthetic corpus",
    )
    sync_crop: Literal["s3fd", "landmarks", "eat"] = Field(
        "landmarks",
        description="SyncNet's crop: by S3FD as published, the same around landmarks, or EAT's alignment",
    )
    fan_released: bool = Field(True, description="Emotion-FAN's attention as its released evaluation has it")
    emotion_network: Literal["mead", "crema_d"] = Field(
        "mead", description="whose Emotion-FAN judges: MEAD's as published, or CREMA-D's, which the user trains"
    )
    precision: Literal["float32", "bfloat16", "tf32"] = Field(
        "float32",
        description="bfloat16: of published networks but those of FID, FVD, F-SIM and pose, faster, not exact; "
        "tf32: products of all networks on a GPU with 10 bits",
    )
    device: str = Field("cpu", description="what networks run on; in store keys and records, not in the hash")
    fid_frames: int = Field(
        0,
        ge=0,
        description="frames per clip for FID, equally spaced; 0: all, or as many per clip as give 50,000 in all",
    )
    quality_frames: int = Field(
        0, ge=0, description="frames per clip for mouth_q, face_q and aesthetic, equally spaced; 0: all"
    )
    dtw_gamma: float = Field(
        0.0,
        ge=0,
        description="of the *_dtw metrics: 0 for hard warping, above it soft-DTW's divergence with this gamma",
    )
    metrics: tuple[str, ...] = Field((), description="scored where the command names none; empty: all defaults")
    low_coverage: float = Field(
        0.90, ge=0, le=1, description="share of frames with a face below which a clip is flagged"
    )
    length_tolerance: float = Field(0.02, ge=0, description="relative difference of lengths that is not flagged")

    @field_validator("landmarks")
    @classmethod
    def _known_backend(cls, name: str) -> str:
        return landmarks.known_backend(name)

    @property
    def hash(self) -> str:
        """First 12 digits of the sha256 over all fields but the description."""
        fields = self.model_dump(exclude={"description", "device"})
        for name, former in _YOUNGER.items():
            if fields[name] == former:
                del fields[name]
        fields[_FORMER_NAME] = fields.pop("extractors")  # hashed under its former name, so that records stay comparable
        fields["name"] = fields["name"].replace("+extractors=", f"+{_FORMER_NAME}=")
        return digest(fields)[:12]


def names() -> list[str]:
    """Protocols that ship with gmbench."""
    folder = resources.files("gmbench.evaluation").joinpath("protocols")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load(name: str, **overrides: Any) -> Protocol:
    """A protocol by name, or from a YAML file; overridden fields change name and hash.

    Landmarks that come without a head pose bring ``pose="pnp"`` with them.

    Raises:
        InputError: unknown name (with the nearest), or a field that does not fit.
    """
    backend = overrides.get("landmarks")
    if backend and overrides.get("pose") is None and landmarks.backend(backend).default_pose == "pnp":
        overrides["pose"] = "pnp"
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise InputError(f"{path}: no such protocol file")
        text = path.read_text("utf-8")
    elif name in names():
        text = resources.files("gmbench.evaluation").joinpath(f"protocols/{name}.yaml").read_text("utf-8")
    else:
        raise InputError(f"unknown protocol {name!r}; {closest(name, names())}")
    try:
        protocol = Protocol.model_validate(yaml.safe_load(text))
        changed = {key: value for key, value in overrides.items() if value is not None}
        changed = {key: value for key, value in changed.items() if value != getattr(protocol, key)}
        device = changed.pop("device", protocol.device)
        if changed:
            suffix = "".join(f"+{key}={value}" for key, value in sorted(changed.items(), key=_former_name))
            protocol = Protocol.model_validate(protocol.model_dump() | changed | {"name": protocol.name + suffix})
        protocol = protocol.model_copy(update={"device": choose(device)})
    except (ValidationError, yaml.YAMLError) as error:
        detail = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        field = ".".join(str(part) for part in detail["loc"])
        reason = str(detail["msg"]).removeprefix("Value error, ")
        raise InputError(f"protocol {name}: {field or 'file'}: {reason}") from error
    if protocol.precision == "tf32" and protocol.device == CPU:
        raise InputError("precision tf32 is of GPUs, and the networks run on the CPU; use float32 or bfloat16")
    return protocol


def of(protocol: str | Protocol, **overrides: Any) -> Protocol:
    """A protocol that is given, on a device, or one by name or file with overridden fields as of :func:`load`."""
    if isinstance(protocol, str):
        return load(protocol, **overrides)
    if device := overrides.pop("device", None):
        protocol = protocol.model_copy(update={"device": choose(device)})
    if changes := [name for name, value in overrides.items() if value is not None]:
        raise InputError(f"{changes[0]}: a protocol object is used as it is; name the protocol to change a field")
    return protocol


def _former_name(field: tuple[str, Any]) -> str:
    """Order of overridden fields in a protocol's name, which is hashed."""
    return _FORMER_NAME if field[0] == "extractors" else field[0]


def pair_indices(generated: int, reference: int, pairing: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which frame of each clip is compared with which; both arrays have min(generated, reference) entries.

    ``index``: frame t with frame t. ``eat_linspace``: the EAT code's non-inclusive linear spacing.
    """
    length = min(generated, reference)
    step = np.arange(length)
    if pairing == "index":
        return step, step
    return step * generated // max(length, 1), step * reference // max(length, 1)
