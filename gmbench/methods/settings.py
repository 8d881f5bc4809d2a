"""What the settings of all trainable systems share: typed parts that refuse unknown keys, and how long to train."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gmbench.errors import InputError
from gmbench.validation import explanation

if TYPE_CHECKING:
    from gmbench.nn.training import TrainConfig

LOG_ROWS = 50
"""Rows of losses that a training logs."""
Model = TypeVar("Model", bound=BaseModel)
Source = Literal["train", "shipped"]
"""Where networks come from: trained here, or from :mod:`gmbench.methods.shipped_networks` where there are any."""


class SettingsPart(BaseModel):
    """Settings of a system or of one of its networks: unknown keys are errors, values cannot be changed later.

    What a part or a mapping of named values leaves out keeps its default: ``train: {steps: 100}`` changes no rate.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _over_defaults(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {name: _over(cls, str(name), value) for name, value in given.items()}


class TrainingSettings(SettingsPart):
    """Optimisation of one network."""

    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    rate: float = Field(gt=0)
    budget: float | None = Field(None, gt=0, description="seconds after which training stops early")

    def config(self, seed: int) -> "TrainConfig":
        """The training loop's configuration, with :data:`LOG_ROWS` rows of losses."""
        from gmbench.nn.training import TrainConfig  # brings torch, which reading a configuration does not need

        return TrainConfig(self.steps, seed, self.budget, log_every=max(1, self.steps // LOG_ROWS))


class FallingRate(TrainingSettings):
    """Optimisation of one network whose learning rate falls."""

    warm_up: int = Field(0, ge=0, description="steps over which the learning rate rises")
    last_rate: float = Field(1.0, gt=0, le=1, description="learning rate of the last step, in shares of rate")


def check_heads(width: int, heads: int) -> None:
    """Raise ValueError where attention of a width cannot have so many heads."""
    if heads < 1 or width % heads:
        raise ValueError(f"width {width} is no multiple of {heads} heads")


def read_settings(
    model: type[Model], system: str, given: Mapping[str, Any], changes: Iterable[Mapping[str, Mapping[str, Any]]] = ()
) -> Model:
    """Typed settings of the configuration's values, then of what ablations change.

    Args:
        model: class of the settings.
        system: name in messages.
        given: values by part, as in ``params.yaml``.
        changes: one mapping per ablation, of part to changed values; later ones win.

    Raises:
        InputError: an unknown key (with the nearest) or a value that is not allowed, with its place.
    """
    merged: dict[str, Any] = {
        name: dict(value) if isinstance(value, Mapping) else value for name, value in given.items()
    }
    for change in changes:
        for part, values in change.items():
            merged[part] = dict(merged.get(part, {})) | dict(values)
    try:
        return model.model_validate(merged)
    except ValidationError as error:
        raise InputError(f"{system}: {explanation(error, model)}") from error


def _over(model: type[BaseModel], name: str, value: Any) -> Any:
    """A value of a field over its default, where both are parts, or mappings whose keys the type names."""
    field = model.model_fields.get(name)
    if field is None or not isinstance(value, Mapping):
        return value
    default = field.get_default(call_default_factory=False)
    if isinstance(default, BaseModel):
        return default.model_dump() | dict(value)
    keys = get_args(field.annotation)[:1]
    named = get_origin(field.annotation) is dict and get_origin(keys[0]) is Literal
    return dict(default) | dict(value) if named and isinstance(default, Mapping) else value
