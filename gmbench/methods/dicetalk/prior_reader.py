"""Emotion priors of clips: the trained embedder with what makes its inputs of coefficients and speech."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gmbench.methods.dicetalk.checkpoints import CHECKPOINTS
from gmbench.methods.dicetalk.embedder import EmotionEmbedder, Gaussian, Modality, seen_in
from gmbench.methods.dicetalk.settings import Embedder
from gmbench.methods.expression_code import ExpressionCode
from gmbench.methods.scaling import Scale

Floats = NDArray[np.float32]


class PriorReader:
    """Reads priors of whole clips.

    Args:
        network: the embedder, in evaluation mode.
        code: of the expressions.
        scale: of the speech states.
    """

    def __init__(self, network: EmotionEmbedder, code: ExpressionCode, scale: Scale) -> None:
        self.network, self.code, self.scale = network, code, scale

    def of_tracks(
        self, beta: Floats | None, rho: Floats | None, states: Floats, modality: Modality = "both"
    ) -> Gaussian:
        """Gaussian (1, d) of a clip.

        Args:
            beta, rho: (T, 169) and (T, 12) coefficients; None where only the sound is read.
            states: (T, a) of speech at 25 per second.
            modality: of :data:`gmbench.methods.dicetalk.embedder.MODALITIES`.
        """
        if beta is None or rho is None:
            codes = np.zeros((len(states), self.network.of_face.in_features), np.float32)
            modality = "sound"
        else:
            codes = self.code.encode(beta, rho)
        inputs = [torch.from_numpy(x)[None] for x in (codes, self.scale.standardise(states))]
        with torch.no_grad():
            return self.network(inputs[0], inputs[1], None, seen_in(modality, 1))

    def constants(self) -> dict[str, NDArray[Any]]:
        """Arrays for a checkpoint."""
        own = {"speech.mean": self.scale.mean, "speech.deviation": self.scale.deviation}
        return self.code.constants() | own


def load_priors(path: Path) -> tuple[PriorReader, Floats, dict[str, Any]]:
    """The reader, the prompt priors (K, d) and the facts of an embedder's file.

    Raises:
        WeightsError: the file is missing or another's.
    """
    facts = CHECKPOINTS.read_facts(path, "embedder")
    network = EmotionEmbedder(Embedder.model_validate(facts["settings"]), facts["codes"], facts["states"])
    constants = CHECKPOINTS.load_weights(path, network)
    scale = Scale(constants["speech.mean"], constants["speech.deviation"])
    return PriorReader(network, ExpressionCode.of_constants(constants), scale), constants["prompt_priors"], facts
