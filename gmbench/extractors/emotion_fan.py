"""Emotion-FAN: emotion of a clip by attention over its frames. Names are those of the released checkpoints."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock

from gmbench.extractors.loading import as_input_of, fill, read_state
from gmbench.metrics.emotion import attended, first_attention

WIDTH = 512
MEAD_ORDER = ("happy", "angry", "disgusted", "fear", "sad", "neutral", "surprised", "contempt")
"""Outputs of the MEAD checkpoint of the EAT evaluation."""
CREMA_ORDER = ("angry", "disgusted", "fear", "happy", "neutral", "sad")
"""Outputs of the network that the user trains on CREMA-D."""
ORDERS = {"emotion_fan_mead": MEAD_ORDER, "emotion_fan_crema_d": CREMA_ORDER}
"""Outputs by name of the weights."""
_BATCH = 8


class EmotionFan(ResNet):
    """ResNet-18 with self-attention and relation attention. Source: Meng et al., ICIP 2019."""

    def __init__(self, classes: int = len(MEAD_ORDER)) -> None:
        super().__init__(BasicBlock, [2, 2, 2, 2])
        del self.fc
        self.alpha = nn.Sequential(nn.Linear(WIDTH, 1), nn.Sigmoid())
        self.beta = nn.Sequential(nn.Linear(2 * WIDTH, 1), nn.Sigmoid())
        self.pred_fc1 = nn.Linear(WIDTH, classes)  # of self-attention alone; not used here
        self.pred_fc2 = nn.Linear(2 * WIDTH, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Chips (B, 3, 224, 224) in [0, 1] to frame features (B, 512)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
        return self.avgpool(x).flatten(1)


def load(path: Path) -> EmotionFan:
    """A network from its file, with as many classes as that has; raises WeightsError."""
    state = read_state(path)
    classes = len(state["pred_fc2.bias"]) if "pred_fc2.bias" in state else len(MEAD_ORDER)
    network = EmotionFan(classes)
    initial = network.state_dict()
    state |= {name: initial[name] for name in initial if name.startswith("pred_fc1.") and name not in state}
    fill(network, state, path, optional=("fc.",))
    return network


def frame_features(network: EmotionFan, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(T, 512) of RGB chips (T, 224, 224, 3)."""
    if not len(chips):
        return np.empty((0, WIDTH), np.float32)
    with torch.inference_mode():
        return frame_rows(network, torch.from_numpy(np.ascontiguousarray(chips))).numpy()


def frame_rows(network: EmotionFan, chips: Tensor) -> Tensor:
    """(T, 512) of RGB chips (T, 224, 224, 3); on the CPU eight at a time."""
    parts = chips.split(_BATCH if chips.device.type == "cpu" else len(chips))
    return torch.cat([network(as_input_of(network, part.permute(0, 3, 1, 2).float() / 255)).float() for part in parts])


def clip_logits(network: EmotionFan, features: NDArray[np.float32], released: bool) -> NDArray[np.float64]:
    """Logits (C,) of a clip from frame features (T, 512); ``released``: :func:`gmbench.metrics.emotion.attended`."""
    with torch.inference_mode():
        alpha = network.alpha(as_input_of(network, torch.from_numpy(features)))[:, 0].float().numpy()
        whole = np.broadcast_to(first_attention(features, alpha), features.shape)
        joined = torch.from_numpy(np.concatenate([features, whole], axis=1).astype(np.float32))
        beta = network.beta(as_input_of(network, joined))[:, 0].float().numpy()
        vector = attended(features, alpha, beta, released)
        return network.pred_fc2(as_input_of(network, torch.from_numpy(vector))).double().numpy()
