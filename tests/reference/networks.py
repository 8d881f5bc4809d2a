"""Feature extractors once more: plain functions over a state dict, window by window, box by box."""

import math

import numpy as np
import torch
import torch.nn.functional as F


def normalise(x, state, name, eps=1e-5):
    shape = (1, -1) + (1,) * (x.ndim - 2)
    mean, var, weight, bias = (
        state[f"{name}.{part}"].reshape(shape) for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / torch.sqrt(var + eps) * weight + bias


def syncnet_lips(state, window):
    """One window (5, 224, 224, 3) RGB to (1024,)."""
    x = torch.from_numpy(window[..., ::-1].copy()).float().permute(3, 0, 1, 2)[None]

    def layer(x, place, stride=1, padding=0):
        x = F.conv3d(x, state[f"netcnnlip.{place}.weight"], state[f"netcnnlip.{place}.bias"], stride, padding)
        return F.relu(normalise(x, state, f"netcnnlip.{place + 1}"))

    x = F.max_pool3d(layer(x, 0, (1, 2, 2)), (1, 3, 3), (1, 2, 2))
    x = F.max_pool3d(layer(x, 4, (1, 2, 2), (0, 1, 1)), (1, 3, 3), (1, 2, 2), (0, 1, 1))
    for place in (8, 11, 14):
        x = layer(x, place, 1, (0, 1, 1))
    x = layer(F.max_pool3d(x, (1, 3, 3), (1, 2, 2)), 18)
    return _syncnet_head(state, "netfclip", x.flatten(1)).numpy()[0]


def syncnet_sound(state, mfcc_window):
    """One window (20, 13) of MFCC to (1024,)."""
    x = torch.from_numpy(mfcc_window.T.copy()).float()[None, None]

    def layer(x, place, padding=1):
        x = F.conv2d(x, state[f"netcnnaud.{place}.weight"], state[f"netcnnaud.{place}.bias"], 1, padding)
        return F.relu(normalise(x, state, f"netcnnaud.{place + 1}"))

    x = F.max_pool2d(layer(layer(x, 0), 4), 3, (1, 2))
    for place in (8, 11, 14):
        x = layer(x, place)
    return _syncnet_head(state, "netfcaud", layer(F.max_pool2d(x, 3, 2), 18, 0).flatten(1)).numpy()[0]


def _syncnet_head(state, name, x):
    x = F.linear(x, state[f"{name}.0.weight"], state[f"{name}.0.bias"])
    x = F.relu(normalise(x, state, f"{name}.1"))
    return F.linear(x, state[f"{name}.3.weight"], state[f"{name}.3.bias"])


def emotion_fan(resnet, state, chips, released):
    """Logits of a clip, one frame at a time; ``resnet`` gives the (512,) feature of a frame."""
    features = []
    with torch.no_grad():
        for chip in chips:
            features.append(resnet(torch.from_numpy(chip).permute(2, 0, 1)[None].float() / 255)[0].double().numpy())

    def gate(name, x):
        score = float(state[f"{name}.0.weight"].double().numpy()[0] @ x + state[f"{name}.0.bias"].double().numpy()[0])
        return 1 / (1 + math.exp(-score))

    alphas = [gate("alpha", f) for f in features]
    whole = sum(a * f for a, f in zip(alphas, features, strict=True)) / sum(alphas)
    joined = [np.concatenate([f, whole]) for f in features]
    betas = [gate("beta", j) for j in joined]
    top = sum((a if released else a * b) * j for a, b, j in zip(alphas, betas, joined, strict=True))
    vector = top / sum(a * b for a, b in zip(alphas, betas, strict=True))
    return state["pred_fc2.weight"].double().numpy() @ vector + state["pred_fc2.bias"].double().numpy()


def affectnet_features(state, face):
    """EMO-AffectNet's (512,) feature of a 224 x 224 RGB face by functions over the state dict."""
    x = face[..., ::-1].astype(np.float32) - np.array([91.4953, 103.8827, 131.0912], np.float32)
    x = torch.from_numpy(x.copy()).permute(2, 0, 1)[None]
    x = F.conv2d(F.pad(x, (2, 3, 2, 3)), state["conv_layer_s2_same.weight"], stride=2)  # Keras: 5 more, 3 after
    x = F.max_pool2d(F.relu(normalise(x, state, "batch_norm1", 1e-3)), 3, 2)
    for layer, blocks in ((1, 3), (2, 4), (3, 6), (4, 3)):
        for block in range(blocks):
            name = f"layer{layer}.{block}"
            stride = 2 if layer > 1 and block == 0 else 1
            y = F.conv2d(x, state[f"{name}.conv1.weight"], stride=stride)
            y = F.relu(normalise(y, state, f"{name}.batch_norm1", 1e-3))
            y = F.conv2d(y, state[f"{name}.conv2.weight"], padding=1)
            y = F.relu(normalise(y, state, f"{name}.batch_norm2", 1e-3))
            y = normalise(F.conv2d(y, state[f"{name}.conv3.weight"]), state, f"{name}.batch_norm3", 1e-3)
            if block == 0:
                x = F.conv2d(x, state[f"{name}.i_downsample.0.weight"], stride=stride)
                x = normalise(x, state, f"{name}.i_downsample.1", 1e-3)
            x = F.relu(x + y)
    return F.relu(F.linear(x.mean((2, 3)), state["fc1.weight"], state["fc1.bias"])).numpy()[0]


def s3fd_boxes(found, height, width):
    """Boxes and face probabilities of S3FD's raw output, one cell at a time."""
    boxes, scores = [], []
    for n, (score, offset) in enumerate(found):
        step, size = 4 * 2**n, 16 * 2**n
        for i in range(score.shape[2]):
            for j in range(score.shape[3]):
                dx, dy, dw, dh = (float(v) for v in offset[0, :, i, j])
                x, y = (j + 0.5) * step + dx * 0.1 * size, (i + 0.5) * step + dy * 0.1 * size
                w, h = size * math.exp(0.2 * dw), size * math.exp(0.2 * dh)
                boxes.append([(x - w / 2) / width, (y - h / 2) / height, (x + w / 2) / width, (y + h / 2) / height])
                background, face = (float(v) for v in score[0, :, i, j])
                scores.append(1 / (1 + math.exp(background - face)))
    return np.array(boxes), np.array(scores)
