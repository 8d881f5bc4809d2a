"""Arrays as users hold them, brought to the form in which gmbench reads clips; what cannot be meant is refused."""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.errors import InputError
from gmbench.media import SAMPLE_RATE, Audio, Frames


def as_frames(value: Any, name: str) -> Frames:
    """Frames (T, H, W, 3) uint8 RGB of an array, a torch tensor, or anything that numpy takes for an array.

    Args:
        value: (T, H, W, 3), or (H, W, 3) for a single frame; of a torch tensor also (T, 3, H, W) or (3, H, W). uint8,
            or floats from 0 to 1, which are rounded to the nearest of 256 levels.
        name: of the argument, for messages.

    Raises:
        InputError: another shape, type or range, or numbers that are not finite.
    """
    is_tensor = _is_tensor(value)
    array = _as_array(value, name)
    if is_tensor:
        array = _channels_last(array, name)
    is_grey = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] not in (3, 4))
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.shape[-1] != 3 or array.size == 0:
        hint = ""
        if array.ndim == 4 and array.shape[1] == 3:
            hint = "; channels are last: np.moveaxis(frames, 1, -1)"
        elif array.ndim == 4 and array.shape[-1] == 4:
            hint = "; leave out transparency: frames[..., :3]"
        elif is_grey:
            hint = "; grey frames have three equal channels: np.stack([grey] * 3, -1)"
        raise InputError(f"{name}: expected frames (T, H, W, 3) or (H, W, 3), got {np.shape(value)}{hint}")
    return np.ascontiguousarray(_as_bytes(array, name))


def as_audio(value: Any, name: str, sample_rate: int) -> Audio:
    """Samples (n,) int16 at 16 kHz of integers, or of floats from -1 to 1, which are rounded to 16 bits.

    Raises:
        InputError: another rate, shape, type or range.
    """
    array = _as_array(value, name)
    if sample_rate != SAMPLE_RATE:
        raise InputError(
            f"{name}: expected {SAMPLE_RATE} samples a second, got {sample_rate}; resample it, for example with "
            f"librosa.resample(samples, orig_sr={sample_rate}, target_sr={SAMPLE_RATE})"
        )
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{name}: expected mono samples (n,), got {array.shape}; of stereo take the channels' mean")
    if array.dtype == np.int16:
        return np.ascontiguousarray(array)
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"{name}: expected int16 or floats from -1 to 1, got {array.dtype}")
    _check_range(array, name, -1.0)
    return np.clip(np.rint(array.astype(np.float64) * 32768.0), -32768, 32767).astype(np.int16)


def as_landmarks(value: Any, name: str) -> NDArray[np.float64]:
    """Landmarks (T, 68, 2) in pixels, NaN where a frame has no face; (68, 2) is one frame's.

    Raises:
        InputError: another shape.
    """
    return _series(value, name, (68, 2), "landmarks (T, 68, 2) or (68, 2)")


def as_pose(value: Any, name: str) -> NDArray[np.float64]:
    """Head pose (T, 3): pitch, yaw and roll in degrees, NaN where a frame has no face.

    Raises:
        InputError: another shape.
    """
    array = np.asarray(_as_array(value, name), np.float64)
    if array.ndim != 2 or array.shape[1:] != (3,) or not len(array):
        raise InputError(f"{name}: expected pitch, yaw and roll in degrees (T, 3), got {array.shape}")
    return array


def _series(value: Any, name: str, shape: tuple[int, ...], expected: str) -> NDArray[np.float64]:
    array = np.asarray(_as_array(value, name), np.float64)
    if array.shape == shape:
        array = array[None]
    if array.shape[1:] != shape or not len(array):
        raise InputError(f"{name}: expected {expected}, got {array.shape}")
    return array


def _is_tensor(value: Any) -> bool:
    return "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor)


def _as_array(value: Any, name: str) -> NDArray[Any]:
    """A numpy array; of a tensor its values, wherever it lies."""
    if isinstance(value, (str, bytes)) or hasattr(value, "__fspath__"):
        raise InputError(f"{name}: expected an array, got {value!r}; files are scored by gmbench.score")
    if _is_tensor(value):
        value = value.detach().cpu()
        value = (value.float() if value.is_floating_point() else value).numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"{name}: expected an array, got parts of different shapes ({error})") from error
    if array.dtype.kind not in "uifb":
        raise InputError(f"{name}: expected an array of numbers, got {type(value).__name__}")
    return array


def _channels_last(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Frames of a tensor with the channels last, whichever place they have."""
    if array.ndim not in (3, 4) or array.shape[-3] != 3:
        return array
    if array.shape[-1] == 3:
        raise InputError(
            f"{name}: {array.shape} may have the channels first or last; pass a numpy array, channels last"
        )
    return np.moveaxis(array, -3, -1)


def _as_bytes(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(
            f"{name}: expected uint8 or floats from 0 to 1, got {array.dtype}; convert with astype('uint8')"
        )
    _check_range(array, name, 0.0)
    return np.rint(array.astype(np.float64) * 255.0).astype(np.uint8)


def _check_range(array: NDArray[Any], name: str, least: float) -> None:
    """Raise InputError for numbers outside of least to 1."""
    low, high = float(array.min()), float(array.max())
    if low >= least and high <= 1.0:
        return
    if not np.isfinite(array).all():
        raise InputError(f"{name}: expected finite numbers, got NaN or infinity")
    hint = ""
    if least == 0.0 and low >= 0.0:
        hint = "; divide by 255, or pass uint8"
    elif least == 0.0 and low >= -1.0 and high <= 1.0:
        hint = "; from -1 to 1: pass (frames + 1) / 2"
    raise InputError(f"{name}: expected floats from {least:g} to 1, got {low:.6g} to {high:.6g}{hint}")
