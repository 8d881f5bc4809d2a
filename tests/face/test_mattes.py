"""The person in front of a still camera, and by a network behind its interface."""

import cv2
import numpy as np
import pytest

from gmbench.errors import InputError
from gmbench.face.segmenter import segmenter_mattes
from gmbench.face.still_background import still_background_mattes
from gmbench.morphable.landmarks_478 import CHIN, OVAL

SIDE, FRAMES = 96, 20


def _clip(rng, moving=False):
    """A head and shoulders that sway in front of a pattern; frames, landmarks, true masks."""
    pattern = cv2.resize(rng.integers(60, 200, (12, 40, 3)).astype(np.uint8), (3 * SIDE, SIDE))
    frames, points, masks = [], np.full((FRAMES, 478, 2), np.nan), []
    for t in range(FRAMES):
        x, mask = 48 + round(5 * np.sin(t / 3)), np.zeros((SIDE, SIDE), np.uint8)
        cv2.ellipse(mask, (x, 42), (17, 25), 0, 0, 360, 1, -1)
        cv2.rectangle(mask, (x - 8, 55), (x + 8, 90), 1, -1)
        cv2.ellipse(mask, (x, 98), (40, 22), 0, 0, 360, 2, -1)
        frame = np.ascontiguousarray(pattern[:, 8 * t : 8 * t + SIDE] if moving else pattern[:, :SIDE])
        frame[mask == 1], frame[mask == 2] = (230, 180, 150), (30, 40, 120)
        angles = np.linspace(0, 2 * np.pi, len(OVAL), endpoint=False)
        points[t, list(OVAL)] = np.stack([x + 15 * np.sin(angles), 45 - 20 * np.cos(angles)], 1)
        points[t, CHIN] = x, 65
        frames.append(cv2.add(frame, rng.integers(0, 6, frame.shape).astype(np.uint8)))
        masks.append(mask > 0)
    return frames, points, masks


def _overlap(found, true):
    return np.mean([((m > 127) & g).sum() / ((m > 127) | g).sum() for m, g in zip(found, true, strict=True)])


def test_the_person_stands_out_of_a_still_background(rng):
    frames, points, masks = _clip(rng)
    points[3:5] = np.nan
    found = list(still_background_mattes(frames, points))
    assert found[0].shape == (SIDE, SIDE)
    assert _overlap(found, masks) > 0.93


def test_a_camera_that_moves_and_clips_without_a_face_are_refused(rng):
    frames, points, _ = _clip(rng, moving=True)
    with pytest.raises(InputError, match="the camera is not still"):
        list(still_background_mattes(frames, points))
    for find in (still_background_mattes, lambda f, p: segmenter_mattes(f, p, lambda frame: frame[..., 0])):
        with pytest.raises(InputError, match="no frame shows a face"):
            list(find(frames, np.full_like(points, np.nan)))
    points[:, list(OVAL)] = points[:, list(OVAL)] * 3 - 96
    with pytest.raises(InputError, match="hardly any background"):
        list(still_background_mattes(frames, points))


@pytest.mark.parametrize("of_person", [True, False])
def test_the_face_tells_whether_a_networks_class_is_the_person(rng, of_person):
    frames, points, masks = _clip(rng)
    points[:2] = np.nan
    true = iter(masks)
    segment = lambda frame: (next(true) == of_person).astype(np.float32)  # noqa: E731
    assert _overlap(segmenter_mattes(frames, points, segment), masks) == 1
