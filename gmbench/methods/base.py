"""Base class for methods of your own: what the benchmark asks of a method, with defaults for what it may lack."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gmbench.errors import InputError
from gmbench.methods.card import MethodCard
from gmbench.methods.interface import FitReport, GenRequest, GenResult, PreparedDataset, TrainingContext
from gmbench.names import closest


class Method(ABC):
    """A talking-head method; a subclass gives a ``card`` and ``generate``, and trains and loads if it learns.

    :func:`gmbench.generate` takes an object of a subclass; an entry point of group ``gmbench.methods`` that names the
    class brings it into the commands and the pipeline. docs/methods.md says what each part may rely on.

    Attributes:
        card: what the method is and can do.
        speakers: people whom it can show; empty where it can show anybody.
        emotions: that it has learnt; empty where it takes no label.
    """

    card: MethodCard
    speakers: Sequence[str] = ()
    emotions: Sequence[str] = ()

    def settings(self, given: Mapping[str, Any], ablations: Sequence[str] = ()) -> Any:
        """Settings of a configuration with ablations; here a mapping of what the card's ablations change, and no more.

        Raises:
            InputError: an unknown setting or ablation.
        """
        for name in ablations:
            if name not in self.card.ablations:
                raise InputError(f"{self.card.title} has no ablation {name!r}; {closest(name, self.card.ablations)}")
        changes = {key: value for name in ablations for key, value in self.card.ablations[name].items()}
        if unknown := sorted(set(given) - set(changes)):
            raise InputError(f"{self.card.title} has no setting {unknown[0]!r}; its class may define settings()")
        return {**given, **changes}

    def fit(
        self, dataset: PreparedDataset, pretraining: PreparedDataset, out_dir: Path, settings: Any, seed: int,
        context: TrainingContext,
    ) -> FitReport:  # fmt: skip
        """Train and write checkpoints below ``out_dir``; nothing by default."""
        out_dir.mkdir(parents=True, exist_ok=True)
        return FitReport()

    def load(self, checkpoint_dir: Path) -> None:  # noqa: B027  # a method that learns nothing has nothing to read
        """Read what training wrote; nothing by default."""

    @abstractmethod
    def generate(self, request: GenRequest) -> GenResult:
        """Frames of a request.

        Raises:
            MissingInput, UnsupportedEmotion, NotSupported: rather than fall back to something else.
        """
