"""What the settings of all trainable systems share: typed parts that refuse unknown keys, and how long to train."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gmbench.errors import InputError
from gmbench.nn.training import TrainConfig

LOG_ROWS = 50
"""Rows of losses that a training logs."""
Model = TypeVar("Model", bound=BaseModel)


class SettingsPart(BaseModel):
    """Settings of a system or of one of its networks: unknown keys are errors, values cannot be changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingSettings(SettingsPart):
    """Optimisation of one network."""

    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    rate: float = Field(gt=0)
    budget: float | None = Field(None, gt=0, description="seconds after which training stops early")

    def config(self, seed: int) -> TrainConfig:
        """The training loop's configuration, with :data:`LOG_ROWS` rows of losses."""
        return TrainConfig(self.steps, seed, self.budget, log_every=max(1, self.steps // LOG_ROWS))


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
        InputError: an unknown key or a value that is not allowed, with its place.
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
        first = error.errors()[0]
        raise InputError(f"{system}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
