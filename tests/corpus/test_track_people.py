import itertools
import time

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from gmbench.corpus import make, people, track_people
from gmbench.corpus.drawing import draw
from gmbench.corpus.takes import (
    FIRST_TRACK_PERSON,
    CorpusSettings,
    Take,
    draw_content,
    draw_person,
    says_emotion,
    takes,
)
from gmbench.corpus.track_people import draw_track_people, write_track_people
from gmbench.datasets import manifest
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.tracks import read_clips
from gmbench.morphable import coefficient_io
from gmbench.morphable.synthetic.model import synthetic_model


@pytest.fixture(scope="module")
def clips():
    return list(draw_track_people(12))


def test_every_person_emotion_and_take_is_there(clips):
    assert len(clips) == 12 * 8 * 2
    assert len({clip.clip_id for clip in clips}) == len(clips)
    assert {clip.person for clip in clips} == set(range(FIRST_TRACK_PERSON, FIRST_TRACK_PERSON + 12))
    assert clips[0].clip_id == "track_people/M1000001/angry/3/001"
    for clip in clips:
        assert clip.beta.shape == (50, 169)
        assert clip.rho.shape == (50, 12)
        assert clip.sound.shape == (50 * 640,)
        assert clip.level == (1 if clip.emotion == "neutral" else 3)
        assert clip.transcript
    levels = [(c.emotion, c.level) for c in draw_track_people(1, ("neutral", "sad"), (1, 2, 3), takes=1)]
    assert levels == [("neutral", 1), ("sad", 1), ("sad", 2), ("sad", 3)]


def test_a_person_does_not_depend_on_the_batch(clips):
    alone = list(draw_track_people(1, first=FIRST_TRACK_PERSON + 7))
    for one, other in zip(alone, clips[7 * 16 : 8 * 16], strict=True):
        for name, value in vars(one).items():
            if name != "tracks":
                assert np.array_equal(value, getattr(other, name)), name
    angry = next(draw_track_people(1, ("angry",), takes=1, first=FIRST_TRACK_PERSON + 7))
    assert np.array_equal(angry.beta, alone[0].beta)
    assert not np.array_equal(angry.beta, next(draw_track_people(1, seed=1, first=FIRST_TRACK_PERSON + 7)).beta)


def test_tracks_are_those_of_the_same_take_with_pictures(clips):
    """The corpus draws the same take, with pictures: coefficients, landmarks and person are equal."""
    clip = clips[5 * 16 + 9]
    emotional = says_emotion(int(clip.clip_id[-3:]) - 1, clip.person - 1, clip.emotion, clip.level)
    take = Take(clip.clip_id, emotional, clip.person - 1, clip.emotion, clip.level, False, "", "")
    arrays, labels = make.record_take((CorpusSettings(size=64), take))
    for name in ("beta", "rho", "shape", "texture"):
        assert np.array_equal(arrays[name], getattr(clip, name)), name
    assert np.abs(arrays["landmarks"] - clip.landmarks(synthetic_model(), 64)).max() < 0.01
    assert (labels["transcript"], labels["speaker"]) == (clip.transcript, clip.speaker)
    film = [frame.image for frame in draw_film(CorpusSettings(size=64), take)]
    for _ in range(2):
        assert np.array_equal(list(clip.pictures(synthetic_model(), 64)), film)


def test_a_part_shows_and_says_what_the_clip_does_there(clips):
    clip, model = clips[0], synthetic_model()
    part = clip.part(4)
    frames, samples = slice(part.first, part.first + 4), slice(640 * part.first, 640 * (part.first + 4))
    assert np.array_equal(part.rho, clip.rho[frames])
    assert np.array_equal(part.sound, clip.sound[samples])
    whole = np.stack(list(clip.pictures(model, 64)))[frames].astype(float)
    drawn = np.stack(list(part.pictures(model, 64))).astype(float)
    assert np.abs(drawn - whole).mean() < 2  # the pixels' noise alone is another
    assert len({other.part(4).first for other in clips}) > 1
    assert len(clip.part(10_000).rho) == len(clip.rho)


def draw_film(settings, take):
    """Frames as the corpus draws them before they are encoded."""
    content = draw_content(synthetic_model(), settings, take)
    return draw(synthetic_model(), content.performer, content.performance, content.look, content.generator)


def test_nobody_is_in_two_sets(clips):
    """Corpus speakers, unseen speakers, pre-training people, people of the feature extractors, track people."""
    settings = CorpusSettings(
        speakers=12, sentences=1, pretraining_speakers=12, pretraining_clips=1, unseen_speakers=12
    )
    drawn = {
        (take.speaker, take.large_motion): draw_person(0, take.speaker, take.large_motion).shape
        for take in takes(settings)
    }
    assert len(drawn) == 36
    sets = {
        "corpus": [shape for (number, large), shape in drawn.items() if number < 500 and not large],
        "unseen": [shape for (number, large), shape in drawn.items() if number >= 500 and not large],
        "pretraining": [shape for (_, large), shape in drawn.items() if large],
        "extractors": list(people.draw_people(0, 6, 1, 32, 0).shape[::2]),
        "tracks": [clip.shape for clip in clips[::16]],
    }
    shapes = np.concatenate([np.asarray(shapes, np.float32) for shapes in sets.values()])
    assert {name: len(shapes) for name, shapes in sets.items()} == {
        "corpus": 12, "unseen": 12, "pretraining": 12, "extractors": 6, "tracks": 12,
    }  # fmt: skip
    for one, other in itertools.combinations(shapes, 2):
        assert np.abs(one - other).max() > 0.5
    with pytest.raises(InputError, match="1000001"):
        draw_track_people(1, first=1)


def test_many_people_take_seconds_and_their_coefficients_tell_the_emotion():
    """Emotions of people who were not learnt from: far above the chance of one in eight."""
    started = time.process_time()
    clips = list(draw_track_people(40))
    assert len(clips) == 640
    assert time.process_time() - started < 60
    features = np.stack([clip.beta.mean(axis=0) for clip in clips])
    emotion = np.array([SUITE_ORDER.index(clip.emotion) for clip in clips])
    learnt = np.array([clip.person < FIRST_TRACK_PERSON + 32 for clip in clips])
    forest = RandomForestClassifier(200, random_state=0).fit(features[learnt], emotion[learnt])
    assert forest.score(features[~learnt], emotion[~learnt]) > 0.65  # 0.81


def test_what_is_written_is_read_as_a_prepared_dataset(clips, tmp_path):
    rows = write_track_people(tmp_path, clips, held_out=3)
    assert manifest.read(tmp_path / "manifest.parquet") == sorted(rows, key=lambda row: row.clip_id)
    assert [len({r.speaker for r in rows if r.split == split}) for split in ("train", "held_out")] == [9, 3]
    prepared = PreparedDataset(
        track_people.DATASET, tuple(rows), tmp_path / "none", tmp_path / "none", tmp_path / "coefficients",
        tmp_path / "audio", tmp_path / "none", {"extractor": "logmel", "pair": "concat"}, tmp_path / "none", None, 0,
    )  # fmt: skip
    read = read_clips(prepared, prepared.split("held_out"))
    assert len(read) == 3 * 16
    for track, clip in zip(read, clips[9 * 16 :], strict=True):
        assert (track.clip_id, track.emotion, track.level) == (clip.clip_id, clip.emotion, clip.level)
        assert np.array_equal(track.beta, clip.beta)
        assert np.array_equal(track.rho, clip.rho)
        assert track.audio.shape == (50, 160)
    speaker = coefficient_io.read_speaker(tmp_path / "coefficients", clips[0].speaker)
    assert np.allclose(speaker["beta_mean"], np.concatenate([c.beta for c in clips[:16]]).mean(axis=0), atol=1e-5)
    assert set(coefficient_io.read(tmp_path / "coefficients", clips[0].speaker, clips[0].clip_id)) == set(
        coefficient_io.COLUMNS
    )
    with pytest.raises(InputError, match="held out"):
        write_track_people(tmp_path / "few", clips[:16], held_out=1)


def test_what_cannot_be_drawn_is_refused():
    for wrong in ({"emotions": ("bored",)}, {"levels": (4,)}, {"frames": 10}, {"takes": 0}):
        with pytest.raises(InputError):
            draw_track_people(1, **wrong)
