"""EDTalk's measures that are no swaps, and all of them on a system that has hardly learnt anything."""

import numpy as np
import pytest
import torch

from gmbench.media import encode_video
from gmbench.methods.edtalk.method import EDTalk
from gmbench.methods.edtalk.settings import Decouple
from gmbench.methods.interface import FitReport, TrainedPart
from tests.acceptance.command import costs
from tests.acceptance.edtalk_clips import HeldOutClip, driver_pairs
from tests.acceptance.edtalk_measures import EDTalkMeasures
from tests.acceptance.edtalk_semantics import MEAN, distances, semantics, spoken
from tests.acceptance.judges import Judges
from tests.methods.edtalk.conftest import write_networks
from tests.methods.edtalk.made import made_sound

FRAMES = 6


def clip(number, speaker, emotion, level, video=None):
    """A held-out clip with a noisy source picture."""
    source = np.random.default_rng(number).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    return HeldOutClip(f"c{number}", speaker, emotion, level, video, source, "so happy")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edtalk")
    write_networks(folder)
    method = EDTalk()
    method.load(folder)
    clips = []
    for n, (speaker, emotion) in enumerate((("a", "neutral"), ("b", "happy"), ("b", "neutral"))):
        frames = np.random.default_rng(n).integers(0, 255, (FRAMES, 32, 32, 3)).astype(np.uint8)
        (path := folder / f"{n}.mp4").write_bytes(encode_video(iter(frames), made_sound(FRAMES, n), crf=12))
        clips.append(clip(n, speaker, emotion, 3 if emotion == "happy" else 1, path))
    return EDTalkMeasures(method, clips, Judges(), 2)


def test_drivers_are_strong_clips_of_others_and_sources_calm():
    emotions = ("neutral", "happy", "sad")
    clips = [clip(n, "ab"[n % 2], emotions[n // 2 % 3], 1 + 2 * (n >= 6)) for n in range(12)]
    pairs = driver_pairs(clips, 16)
    assert [driver for _, driver in pairs] == [0, 1, *range(6, 12)]
    for source, driver in pairs:
        assert clips[source].speaker != clips[driver].speaker
        assert clips[source].emotion == "neutral"
    assert len(driver_pairs(clips, 3)) == 3
    assert driver_pairs(clips[::2], 16) == []


def test_a_system_that_has_learnt_nothing_is_measured_to_the_end(measured):
    rows = [*measured.outcomes(), *measured.switched_mouths(Decouple()), measured.trainable_share()]
    assert {row.test for row in rows} == {1, 2, 3, 4, 5, 6, 7, 10, 11, 14, 15}
    assert [swap.found for swap in measured.swaps] == [True, True]
    assert next(row for row in rows if row.test == 1).holds
    assert 0 < rows[-1].value < 1


def test_each_space_follows_its_driver_alone(measured):
    drawing = measured.drawing
    own, given = drawing.own(0, FRAMES), drawing.weights(1)
    assert all(len(track) == FRAMES for track in given.values())
    assert len(drawing.weights(1, 9)["mouth"]) == 9
    still = drawing.draw(0, own)
    assert (still == still[0]).all()
    moved = drawing.draw(0, {**own, "pose": given["pose"]})
    assert (moved != still).any()


def test_what_the_network_is_given_is_what_it_hears(measured):
    heard = spoken(measured.method, measured.clips)
    network = measured.method.semantics.network
    found = distances(network, heard, np.zeros(10, np.float32))
    assert found[MEAN] == pytest.approx([np.abs(one.weights).sum() for one in heard])
    with torch.inference_mode():
        batch = network.batch([(heard[0].audio, heard[0].features, heard[0].text)])
        both, silent = network(batch)[0].numpy(), network(batch, torch.tensor([0.4]))[0].numpy()
    assert found["both"][0] == pytest.approx(np.abs(both - heard[0].weights).sum(), abs=1e-5)
    assert found["words alone"][0] == pytest.approx(np.abs(silent - heard[0].weights).sum(), abs=1e-5)
    assert found["sound alone"][0] not in (found["both"][0], found["words alone"][0])


def test_order_of_what_was_given():
    def kind(both, words, sound, mean):
        return {"both": [both], "words alone": [words], "sound alone": [sound], MEAN: [mean]}

    good = semantics(kind(1, 2, 3, 4), kind(1, 3, 4, 4))
    assert [row.holds for row in good if row.threshold] == [True] * 6
    bad = semantics(kind(2, 1, 3, 2), kind(1, 3, 2, 2))
    assert [row.holds for row in bad if row.threshold] == [False, True, True, False, True, False]


def test_costs_are_those_of_the_training():
    rows = costs(14, FitReport((TrainedPart("lips", 10, 33.0, 2_000_000, 500_000),)))
    assert [(row.what, row.value) for row in rows] == [
        ("lips: seconds of training", 33.0), ("lips: millions of parameters, trained", 2.0), ("lips: and frozen", 0.5),
    ]  # fmt: skip
