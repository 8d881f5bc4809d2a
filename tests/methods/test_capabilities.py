"""Capabilities of methods that have no coefficients, measured on frames."""

from dataclasses import replace

import numpy as np
import pytest

from gmbench.methods.capabilities import Measures, Variants, check
from gmbench.methods.card import MethodCard
from gmbench.methods.interface import Drivers, EmotionSpec, GenRequest, GenResult

T, SIDE = 12, 128
AUDIO = (3000 * np.sin(np.arange(T * 640) / 5) * (np.arange(T * 640) % 2560 < 1280)).astype(np.int16)
REQUEST = GenRequest("clip", AUDIO, EmotionSpec({"happy": 1.0}), "A", source_image=np.full((8, 8, 3), 90, np.uint8))


class Square:
    """Frames that hold what moves as the brightness of their first pixels: mouth, emotion, pose, source, seed."""

    def __init__(self, **card):
        facts = {"emotion": "generate", "pose": "none"} | card
        self.card = MethodCard("square", "Square", "trainable", ("label",), "label", eye="none", **facts)

    def generate(self, request):
        loud = np.abs(request.audio.reshape(-1, 640).astype(int)).max(axis=1) // 100
        frames = np.zeros((len(loud), SIDE, SIDE, 3), np.uint8)
        if self.card.identity_mode == "one_shot":
            frames[:] = request.source_image[0, 0]
        frames[:, 0, 0, 0] = loud
        frames[:, 0, 1, 0] = 5 * ("sad" in request.emotion.weights) * (self.card.emotion != "none")
        frames[:, 0, 2, 0] = 20 * bool(request.drivers) * (self.card.pose == "transfer")
        frames[:, 0, 3, 0] = request.seed * self.card.diversity
        return GenResult(iter(frames))


def landmarks(frames):
    """A face whose mouth, brows and turn are written in the first pixels."""
    rng = np.random.default_rng(0)
    face = np.repeat((rng.normal(0, 12, (68, 2)) + SIDE / 2)[None], len(frames), axis=0)
    face[:, 36:42, 0] -= 20
    face[:, 42:48, 0] += 20
    mouth, mood, turn = (frames[:, 0, n, 0].astype(float) for n in range(3))
    face[:, 57, 1] += mouth
    face[:, 19, 1] -= mood
    return face * (1 + turn[:, None, None] / 100)


VARIANTS = Variants(
    REQUEST,
    emotion=replace(REQUEST, emotion=EmotionSpec({"sad": 1.0})),
    driver=replace(REQUEST, drivers=Drivers()),
    source=replace(REQUEST, source_image=np.full((8, 8, 3), 30, np.uint8)),
)


def findings(method, measures):
    return {found.change: found for found in check(method, VARIANTS, measures)}


@pytest.mark.parametrize("one_shot", [True, False])
@pytest.mark.parametrize("diversity", [True, False])
def test_an_honest_method_holds_what_its_card_says(one_shot, diversity):
    mode = "one_shot" if one_shot else "person_specific"
    found = findings(Square(diversity=diversity, identity_mode=mode), Measures(landmarks))
    assert set(found) == {"same seed", "other seed", "other emotion", "silence", "other driver", "other source"}
    assert all(one.holds for one in found.values()), found


def test_a_method_that_videos_can_drive_must_follow_them():
    assert not findings(Square(pose="generate", drivers=("pose",)), Measures(landmarks))["other driver"].holds
    method = Square(pose="generate", drivers=("pose",))
    method.generate = Square(pose="transfer").generate
    assert findings(method, Measures(landmarks))["other driver"].holds


def test_a_card_that_says_too_much_or_too_little_is_noticed():
    class Deaf(Square):
        def generate(self, request):
            return super().generate(replace(request, emotion=EmotionSpec(), audio=AUDIO))

    found = findings(Deaf(), Measures(landmarks))
    assert not found["other emotion"].holds
    assert not found["silence"].holds
    method = Square(pose="transfer")
    method.generate = Square().generate
    found = findings(method, Measures(landmarks))
    assert not found["other driver"].holds
    method = Square(identity_mode="person_specific")
    method.generate = Square().generate
    assert not findings(method, Measures(landmarks))["other source"].holds


def test_the_emotion_network_counts_where_landmarks_stay():
    class Tinted(Square):
        def generate(self, request):
            frames = np.stack(list(super().generate(replace(request, emotion=EmotionSpec())).frames))
            frames[:, 5, 5] = 200 * ("sad" in request.emotion.weights)
            return GenResult(iter(frames))

    def recognised(frames, points):
        return np.array([1.0, 0.0]) if frames[0, 5, 5, 0] else np.array([0.0, 1.0])

    assert not findings(Tinted(), Measures(landmarks))["other emotion"].holds
    assert findings(Tinted(), Measures(landmarks, recognised))["other emotion"].holds


def test_without_landmarks_it_says_so():
    found = findings(Square(), Measures(None, missing="landmarker.task: no such file"))
    assert found["silence"].holds is None
    assert found["silence"].measured == "not measured: landmarker.task: no such file"
    assert found["same seed"].holds
    nobody = Measures(lambda frames: np.full((len(frames), 68, 2), np.nan))
    assert "finds no face" in findings(Square(), nobody)["silence"].measured
