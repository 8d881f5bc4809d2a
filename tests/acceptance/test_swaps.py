"""EDTalk's swap measures on films whose right values are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from gmbench.face.landmarks_68 import eat_template
from tests.acceptance.edtalk_swaps import draw_leakage
from tests.acceptance.judges import SIDE, Face, Judges
from tests.acceptance.swaps import (
    ExpressionSwap,
    IdentitySwap,
    Swap,
    expression_swaps,
    identity_swaps,
    leakage,
    leakage_claims,
    mouth_swaps,
    pose_swaps,
)

FRAMES = 24
TIME = np.arange(FRAMES)
CALM, HAPPY = np.eye(8)[0], np.eye(8)[1]


def face(opening=0.1, angles=0.0, emotions=CALM, frames=FRAMES, found=True):
    """What judges would say of a film: an opening (T,), a turn (T,) of pitch and yaw, and emotions."""
    turned = np.stack([np.broadcast_to(angles, frames)] * 3, axis=1).astype(float)
    return SimpleNamespace(
        opening=np.broadcast_to(opening, frames).astype(float), angles=turned, emotions=emotions, found=found,
        upper=np.repeat(turned[:, None, :2], 31, axis=1), probability=lambda name: float(emotions[1]),
    )  # fmt: skip


SPEAKING, NODDING = 0.1 + 0.2 * np.sin(TIME / 2) ** 2, 8 * np.sin(TIME / 3)
DRIVER = face(SPEAKING, NODDING, HAPPY)
STILL = face(frames=1)


def swap(mouth=None, pose=None, expression=None, **changes):
    """A swap that follows the driver in each space, and in nothing else, unless it is told otherwise."""
    driven = {
        "mouth": mouth or face(SPEAKING), "pose": pose or face(angles=NODDING),
        "expression": expression or face(emotions=HAPPY),
    }  # fmt: skip
    return Swap(**{"source": STILL, "driver": DRIVER, "still": STILL, "driven": driven} | changes)


def values(rows):
    return [row.value for row in rows]


def test_a_perfect_swap_meets_every_threshold():
    assert values(mouth_swaps([swap()])) == pytest.approx([1, 1, 0, 0])
    assert values(pose_swaps([swap()])) == pytest.approx([1, 0, 0])
    found = leakage([swap(), swap()])
    assert found.matrix == pytest.approx(np.eye(3))
    assert found.shares == pytest.approx([1, 1, 1])
    assert all(row.holds in (True, None) for row in found.outcomes())


def test_a_space_that_moves_another_factor_too_loses_its_share():
    found = leakage([swap(expression=face(SPEAKING, emotions=HAPPY))])
    assert found.matrix[2] == pytest.approx([1, 0, 1])
    assert found.expression == pytest.approx(0.5)
    assert found.outcomes()[-1].value == pytest.approx(2.5 / 3)
    tilted = face(angles=NODDING / 2, opening=SPEAKING)
    assert leakage([swap(mouth=tilted)]).shares[0] == pytest.approx(1 / 1.5)


def test_a_space_that_moves_nothing_has_no_share():
    found = leakage([swap(mouth=face())])
    assert np.isnan(found.shares[0])
    assert found.outcomes()[-1].holds is False


def test_half_of_a_change_keeps_the_share_but_not_the_amount():
    found = leakage([swap(mouth=face(0.1 + (SPEAKING - 0.1) / 2))])
    assert found.matrix[0] == pytest.approx([0.5, 0, 0])
    assert found.shares[0] == pytest.approx(1)


def test_lips_that_move_otherwise_do_not_follow():
    closing = mouth_swaps([swap(mouth=face(0.4 - SPEAKING))])
    assert values(closing)[:2] == pytest.approx([-1, -1])
    jumping = mouth_swaps([swap(mouth=face(np.random.default_rng(0).permutation(SPEAKING)))])
    assert jumping[0].holds is False


def test_a_head_that_turns_with_the_mouth_is_seen():
    rows = mouth_swaps([swap(mouth=face(SPEAKING, 4.0))])
    assert [row.holds for row in rows] == [True, True, False, False]
    assert rows[2].value == pytest.approx(4)


def test_films_without_a_face_are_left_out_and_counted():
    lost = swap(driver=face(found=False))
    found = leakage([swap(), lost])
    assert found.outcomes()[-1].note == "1 of 2"
    assert found.shares == pytest.approx([1, 1, 1])
    assert leakage([lost]).outcomes()[-1].holds is False
    unseen = face(np.nan, np.nan)
    assert mouth_swaps([swap(mouth=unseen), swap()])[0].note == "1 of 2"
    assert all(row.holds is False for row in (*mouth_swaps([]), *pose_swaps([]), *expression_swaps([])))


def test_an_expression_rises_and_lips_stay():
    real = face(SPEAKING)
    good = ExpressionSwap(real, face(SPEAKING), face(SPEAKING, emotions=HAPPY), "happy")
    assert values(expression_swaps([good])) == pytest.approx([1, 0, 0])
    bad = ExpressionSwap(real, face(SPEAKING), face(0.4 - SPEAKING, 3.0), "happy")
    assert [row.holds for row in expression_swaps([bad])] == [False, False, False]


def test_claims_compare_the_expressions_rows():
    leaking = leakage([swap(expression=face(SPEAKING, emotions=HAPPY))])
    rows = leakage_claims(leakage([swap()]), {"wo_orthogonal": leaking, "wo_bank": leaking})
    assert [row.holds for row in rows if row.claim] == [True, False]


def seen(direction, frames=3):
    """A face that looks like a direction (2,)."""
    points = np.repeat(np.asarray(eat_template())[None] * (SIDE / 163), frames, 0)
    return Face(points, CALM, np.repeat(np.asarray(direction, float)[None], frames, 0))


def test_who_is_seen_under_another_persons_driver():
    source, other = seen([1, 0]), seen([0.8, 0.6])
    rows = identity_swaps([IdentitySwap(source, source, other, seen([0, 1]))])
    assert values(rows) == pytest.approx([1, 0.8, 0, 0.8])
    nobody = Face(np.full((3, 68, 2), np.nan), np.full(8, np.nan), np.full((3, 2), np.nan))
    lost = identity_swaps([IdentitySwap(source, nobody, other, seen([0, 1]))])
    assert (lost[0].note, lost[-1].holds) == ("0 of 1", False)


def test_a_face_in_fewer_than_half_of_the_frames_is_none():
    points = seen([1, 0], 4).points.copy()
    points[:3] = np.nan
    assert not Face(points, CALM, np.zeros((4, 2))).found
    assert Face(points[2:], CALM, np.zeros((2, 2))).found


def test_judges_look_at_frames_of_any_side_and_miss_no_frame():
    class Blind(Judges):
        """Judges that find a face in the first frame alone."""

        def points(self, frames):
            found = super().points(frames)
            found[1:] = np.nan
            return found

    frames = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3)).astype(np.uint8)
    whole, blind = Judges().see(frames), Blind().see(frames)
    assert whole.found
    assert whole.emotions.sum() == pytest.approx(1)
    assert np.isfinite(blind.embeddings).all(axis=1).tolist() == [True, False, False]
    assert blind.embeddings[0] == pytest.approx(whole.embeddings[0], abs=1e-4)
    assert not blind.found
    assert np.isnan(Blind().path(frames))


def test_the_figure_shows_matrix_and_swaps(tmp_path):
    pictures = [np.zeros((8, 8, 3), np.uint8)] * 5
    found = [swap(pictures=pictures, mouth=face()) for _ in range(4)]
    draw_leakage(leakage(found), found, tmp_path / "leakage")
    drawn = (tmp_path / "leakage.svg").read_text()
    assert (tmp_path / "leakage.png").stat().st_size > 1000
    assert drawn.count("<image") == 1 + 3 * 5
