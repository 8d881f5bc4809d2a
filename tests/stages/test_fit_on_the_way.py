"""A picture or a video that is in no dataset gets coefficients."""

import cv2
import numpy as np
import pytest

from gmbench.config import FitSection
from gmbench.errors import InputError
from gmbench.media import write_video
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.stages import fit_on_the_way
from gmbench.stages.fit_on_the_way import fit_file

SIDE = 96


@pytest.fixture
def landmarks(monkeypatch):
    """A landmark backend that gives what a test says, for frames of 96 by 128 pixels."""

    def give(mesh):
        monkeypatch.setattr(fit_on_the_way, "detect", lambda argument: ({"mesh": mesh.astype(np.float32)}, {}))

    return give


def _mesh(frames, margin=16):
    """Landmarks of a face whose mouth opens, as a square picture in the middle of a wider one shows them."""
    model = synthetic_model()
    full = np.zeros((frames, 171))
    full[:, model.column("jaw_open")] = np.linspace(0, 1, frames)
    rho = np.zeros((frames, 12))
    rho[:, 5] = -1.5
    return model.landmark_points(np.zeros(150), full, rho, 128) - [0, margin]


def test_a_video_of_any_shape_is_fitted(landmarks, tmp_path):
    mesh = _mesh(6)
    mesh[3] = np.nan
    landmarks(mesh)
    write_video(tmp_path / "clip.mp4", np.zeros((6, 96, 128, 3), np.uint8), np.zeros(6 * 640, np.int16))
    model = synthetic_model()
    beta, rho = fit_file(tmp_path / "clip.mp4", model, "corpus", FitSection(smooth=False))
    assert beta.shape == (6, 169)
    assert rho.shape == (6, 12)
    jaw = beta[:, int(np.searchsorted(model.beta_columns, model.column("jaw_open")))]
    assert jaw[5] - jaw[0] > 0.5
    assert np.isfinite(beta).all()


def test_a_file_without_a_face_is_named(landmarks, tmp_path):
    landmarks(np.full((1, 478, 2), np.nan))
    cv2.imwrite(str(tmp_path / "wall.png"), np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(InputError, match=r"wall\.png: no frame shows a face"):
        fit_file(tmp_path / "wall.png", synthetic_model(), "corpus", FitSection())
