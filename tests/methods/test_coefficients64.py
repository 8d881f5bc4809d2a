"""The linear code of expressions: what it keeps, what it loses, and that it is the same every time."""

import numpy as np
import pytest
import torch

from gmbench.errors import InputError
from gmbench.methods.checkpoint import CheckpointFormat
from gmbench.methods.coefficients64 import COLUMNS, COMPONENTS, Coefficients64, join_lids, landmark_scale, split_lids
from gmbench.morphable.synthetic.model import synthetic_model

FORMAT = CheckpointFormat("echo", {"codes": 1})


def _tracks(seed=0, rank=COLUMNS):
    """Clips whose columns are correlated; ``rank`` directions vary."""
    generator = np.random.default_rng(seed)
    mixing = generator.normal(0, 1, (rank, COLUMNS)) * np.geomspace(3, 0.05, rank)[:, None]
    return [(generator.normal(0, 1, (n, rank)) @ mixing + 2).astype(np.float32) for n in (300, 200)]


def test_the_rows_are_orthonormal():
    components = Coefficients64.fit(_tracks()).components.astype(np.float64)
    assert components.shape == (COMPONENTS, COLUMNS)
    assert np.abs(components @ components.T - np.eye(COMPONENTS)).max() < 1e-6


def test_the_error_of_a_round_trip_is_the_discarded_variance():
    tracks = _tracks()
    code = Coefficients64.fit(tracks)
    rows = np.concatenate(tracks)
    error = code.scale.standardise(code.decode(code.encode(rows))) - code.scale.standardise(rows)
    assert float((error.astype(np.float64) ** 2).sum(axis=1).mean()) == pytest.approx(
        code.discarded_variance(), rel=1e-4
    )
    assert 0.01 < code.discarded_variance() < code.variances.sum() / 4
    assert (np.diff(code.variances) <= 0).all()


def test_nothing_is_lost_where_64_directions_vary():
    tracks = _tracks(rank=COMPONENTS)
    code = Coefficients64.fit(tracks)
    assert np.allclose(code.decode(code.encode(tracks[0])), tracks[0], atol=1e-3)
    assert code.encode(np.concatenate(tracks)).var(axis=0) == pytest.approx(code.variances[:COMPONENTS], rel=1e-3)


def test_codes_are_not_whitened_and_need_no_clip():
    code = Coefficients64.fit(_tracks())
    moved = np.float32(1) * code.components[3]
    assert code.encode(code.decode(np.eye(COMPONENTS, dtype=np.float32))) == pytest.approx(np.eye(COMPONENTS), abs=1e-5)
    assert code.encode(code.scale.restore(moved))[3] == pytest.approx(1.0, abs=1e-5)
    assert code.encode(np.zeros((2, 5, COLUMNS), np.float32)).shape == (2, 5, COMPONENTS)


def test_signs_do_not_depend_on_the_order_of_clips_and_are_positive_where_largest():
    first, second = Coefficients64.fit(_tracks()), Coefficients64.fit(_tracks()[::-1])
    assert np.allclose(first.components, second.components, atol=1e-3)
    largest = np.abs(first.components).argmax(axis=1)
    assert (first.components[np.arange(COMPONENTS), largest] > 0).all()
    again = Coefficients64.fit(_tracks())
    assert np.array_equal(first.components, again.components)


def test_it_lives_in_a_checkpoint(tmp_path):
    code, path, network = Coefficients64.fit(_tracks()), tmp_path / "codes.safetensors", torch.nn.Linear(1, 1)
    path.write_bytes(FORMAT.pack("codes", network, {}, code.constants()))
    again = Coefficients64.of_constants(FORMAT.load_weights(path, network))
    rows = _tracks(1)[0]
    assert np.array_equal(again.encode(rows), code.encode(rows))
    assert np.array_equal(again.variances, code.variances)


def test_lids_stand_behind_the_expressions():
    beta, rho = np.ones((4, 169), np.float32), np.zeros((4, 12), np.float32)
    rho[:, 10:] = [[0.2, 1.5]] * 4
    expressions, lids = split_lids(join_lids(beta, rho))
    assert np.array_equal(expressions, beta)
    assert lids[0] == pytest.approx([0.2, 1.0])


def test_too_few_frames_are_refused():
    with pytest.raises(InputError, match=r"more than 64 frames of 171 columns, got 60 of \[171\]"):
        Coefficients64.fit([np.zeros((60, COLUMNS), np.float32)])
    with pytest.raises(InputError, match=r"got 100 of \[169\]"):
        Coefficients64.fit([np.zeros((100, 169), np.float32)])


def test_columns_that_move_the_face_most_are_kept_first():
    model = synthetic_model()
    generator = np.random.default_rng(0)
    train, held_out = (generator.normal(0, 0.1, (900, COLUMNS)).astype(np.float32) for _ in range(2))
    shape = np.zeros(model.shape_basis.shape[-1])
    still = np.zeros((len(held_out), 12))

    def error(code):
        decoded = split_lids(code.decode(code.encode(held_out)))
        faces = [
            model.landmark_points(shape, model.join(*parts), still, 128) for parts in (split_lids(held_out), decoded)
        ]
        return float(np.linalg.norm(faces[0] - faces[1], axis=-1).mean())

    plain, by_landmarks = Coefficients64.fit([train]), Coefficients64.fit([train], landmark_scale(model, [train]))
    assert error(by_landmarks) < error(plain) / 3
    unit = landmark_scale(model, [train])
    assert unit.mean == pytest.approx(train.mean(axis=0), abs=1e-6)
    assert (unit.deviation > 0).all()
