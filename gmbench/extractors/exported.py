"""Networks that come as whole programs: I3D and head pose as TorchScript, ArcFace as ONNX."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.errors import WeightsError

VIDEO_WINDOW = 16
ARC_SIDE = 112
ARC_POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Eye centres, nose tip and mouth corners in ArcFace's 112-pixel crop."""
_POSE_SIDE, _POSE_CROP = 270, 224
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load_script(path: Path) -> Any:
    """A TorchScript program on the CPU; raises WeightsError."""
    try:
        return torch.jit.load(path, map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise WeightsError(f"{path}: not a TorchScript file ({str(error).splitlines()[0][:120]})") from error


def video_features(network: Any, windows: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Kinetics logits (B, 400) of RGB windows (B, 16, H, W, 3): the program scales and resizes to 224 itself."""
    with torch.inference_mode():
        return video_rows(network, torch.from_numpy(np.ascontiguousarray(windows))).numpy()


def video_rows(network: Any, windows: Tensor) -> Tensor:
    """As :func:`video_features`, of tensors."""
    return network(windows.permute(0, 4, 1, 2, 3), rescale=True, resize=True, return_features=True).float()


def pose_matrices(network: Any, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Head rotations (B, 3, 3) of RGB frames (B, H, W, 3) by TokenHPE."""
    with torch.inference_mode():
        rows = pose_rows(network, torch.from_numpy(np.stack([pose_input(frame) for frame in frames])))
    return rows.numpy().reshape(-1, 3, 3)


def pose_input(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame as TokenHPE sees it: 270 pixels wide, of which the middle 224."""
    start = (_POSE_SIDE - _POSE_CROP) // 2
    inner = slice(start, start + _POSE_CROP)
    sized = cv2.resize(frame, (_POSE_SIDE, _POSE_SIDE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(sized[inner, inner], np.uint8)


def pose_rows(network: Any, pictures: Tensor) -> Tensor:
    """Head rotations (B, 9), row by row, of inputs (B, 224, 224, 3), scaled by ImageNet's mean and deviation."""
    x = pictures.permute(0, 3, 1, 2).float() / 255
    mean, deviation = (x.new_tensor(values)[:, None, None] for values in (_MEAN, _DEVIATION))
    rotations = network((x - mean) / deviation)
    return (rotations[0] if isinstance(rotations, tuple) else rotations).double().flatten(1)


def load_onnx(path: Path) -> Any:
    """An ONNX session on one CPU thread; raises WeightsError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's own exceptions have no public base
        raise WeightsError(f"{path}: not an ONNX file ({str(error).splitlines()[0][:120]})") from error


def identity_embeddings(session: Any, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """ArcFace embeddings (B, 512) of RGB crops (B, 112, 112, 3), not normalised."""
    x = ((crops.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2)
    name = session.get_inputs()[0].name
    return np.asarray(session.run(None, {name: np.ascontiguousarray(x)})[0], np.float32)


def five_points(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eye centres, nose tip and mouth corners (5, 2) of landmarks (68, 2)."""
    eyes = [landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)]
    return np.stack([*eyes, landmarks[30], landmarks[48], landmarks[54]])
