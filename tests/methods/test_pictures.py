"""Pictures of many people: every frame once, beside its own landmarks, the people of the pre-training set included."""

from dataclasses import replace

import numpy as np
import pytest

from gmbench import shards
from gmbench.corpus.make import make
from gmbench.corpus.takes import CorpusSettings
from gmbench.corpus.truth import Truth
from gmbench.datasets.manifest import TEST, TRAIN, ClipRow
from gmbench.errors import InputError
from gmbench.media import Video, write_video
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.picture_tracks import read_motion
from gmbench.methods.pictures import (
    PeoplePictures,
    draw_pictures,
    new_array,
    people_digest,
    read_mattes,
    read_people,
    resize,
)
from gmbench.methods.track_people import draw_pictured
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.store import Store

SETTINGS = CorpusSettings(
    speakers=1, emotions=("neutral", "sad"), levels=(3,), sentences=1, frames=30, size=64, pretraining_speakers=2,
    pretraining_clips=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A dataset whose crops are the corpus' films, with the sad clip in the test split."""
    root = tmp_path_factory.mktemp("corpus")
    make(root, SETTINGS, Store(root / "store"))
    truth, rows = Truth(root), []
    for name, clip in truth.clips[truth.clips["clip_id"].str.startswith("synth/")].iterrows():
        split = TEST if clip["emotion"] == "sad" else TRAIN
        rows.append(
            ClipRow(
                name, "synth", clip["speaker"], clip["emotion"], int(clip["level"]), "001", clip["video"], "",
                split=split,
            )
        )  # fmt: skip
    meshes = [(row.clip_id, {"mesh": truth.frames(row.clip_id, ["landmarks"])["landmarks"]}) for row in rows]
    shards.write(root / "landmarks", rows[0].speaker, meshes)
    folders = (root, root / "landmarks", root / "coefficients", root / "audio", root / "renders")
    return PreparedDataset("synth", tuple(rows), *folders, {}, root / "model.npz", root, SETTINGS.size)


def test_training_clips_and_pretraining_people(corpus, tmp_path):
    pictures = read_people(corpus, corpus, tmp_path, 32)
    assert [clip.emotion for clip in pictures.clips if not clip.pretraining] == ["neutral"]
    assert len({clip.speaker for clip in pictures.clips}) == 3
    assert [(clip.first, clip.stop) for clip in pictures.clips] == [(0, 30), (30, 60), (60, 90)]
    assert pictures.frames.shape == (90, 32, 32, 3)
    assert all(isinstance(array, np.memmap) for array in (pictures.frames, pictures.landmarks))
    truth, last = Truth(corpus.truth), pictures.clips[2]
    frames = list(Video(corpus.truth / truth.clips.loc[last.clip_id, "video"]))
    assert np.array_equal(pictures.frames[67], resize(frames[7], 32))
    wanted = truth.frames(last.clip_id, ["landmarks"])["landmarks"][7] / 2
    assert np.allclose(pictures.landmarks[67], wanted)
    assert pictures.clip_numbers().tolist() == [0] * 30 + [1] * 30 + [2] * 30


def test_drawn_people_come_last_with_labels_landmarks_and_motion(corpus, tmp_path):
    drawn = draw_pictured(1, corpus.rows, 30)
    assert [(clip.emotion, clip.level) for clip in drawn] == [("neutral", 1), ("sad", 3)]
    assert draw_pictured(0, corpus.rows, 30) == []
    pictures = read_people(corpus, None, tmp_path, 32, drawn)
    assert [(clip.clip_id, clip.pretraining) for clip in pictures.clips[1:]] == [(c.clip_id, False) for c in drawn]
    film = list(drawn[1].pictures(synthetic_model(), SETTINGS.size))
    assert np.array_equal(pictures.frames[65], resize(film[5], 32))
    assert np.allclose(pictures.landmarks[60:], drawn[1].landmarks(synthetic_model(), 32), atol=1e-4)
    motion = read_motion(corpus, corpus, PeoplePictures(pictures.frames, pictures.landmarks, pictures.clips[1:]), drawn)
    assert np.array_equal(motion[1].beta, drawn[1].beta)
    assert motion[1].known.all()
    given = list(draw_pictures(drawn, corpus.size, 32))
    assert np.array_equal(np.concatenate(given), pictures.frames[30:])
    given[1] = np.zeros_like(given[1])
    assert np.array_equal(read_people(corpus, None, tmp_path, 32, drawn, given).frames[60:], given[1])


def test_people_of_another_dataset_come_from_its_crops(corpus, tmp_path):
    other = replace(corpus, dataset="other", truth=None)
    pictures = read_people(corpus, other, tmp_path, 64)
    assert [(clip.pretraining, clip.emotion) for clip in pictures.clips] == [(False, "neutral"), (True, "neutral")]
    assert np.array_equal(pictures.frames[:30], pictures.frames[30:])
    own = replace(corpus, truth=None)
    assert len(read_people(own, own, tmp_path, 64).clips) == 1
    assert len(read_people(own, None, tmp_path, 64).clips) == 1


def test_a_digest_tells_other_people_and_landmarks_apart(corpus, tmp_path):
    whole = people_digest(corpus, corpus)
    assert whole == people_digest(corpus, corpus)
    moved = replace(corpus, landmarks=tmp_path / "moved")
    row = corpus.split(TRAIN)[0]
    shards.write(moved.landmarks, row.speaker, [(row.clip_id, {"mesh": np.zeros((30, 478, 2), np.float32)})])
    assert len({whole, people_digest(corpus, None), people_digest(moved, corpus)}) == 3


def test_the_arrays_can_be_opened_again(corpus, tmp_path):
    pictures = read_people(corpus, None, tmp_path, 32)
    assert isinstance(pictures.frames, np.memmap)


def test_what_is_missing_is_named(corpus, tmp_path):
    with pytest.raises(InputError, match="synth: no training clips with landmarks; run the stages crop and landmarks"):
        read_people(replace(corpus, landmarks=tmp_path), None, tmp_path, 32)
    row = corpus.split(TRAIN)[0]
    shards.write(tmp_path / "short", row.speaker, [(row.clip_id, {"mesh": np.zeros((20, 478, 2), np.float32)})])
    with pytest.raises(InputError, match="expected 20 square frames, as many as landmarks, got 30 of 64 x 64"):
        read_people(replace(corpus, landmarks=tmp_path / "short"), None, tmp_path, 32)


def test_mattes_are_the_corpus_own_or_files(corpus):
    row = corpus.rows[0]
    mattes, landmarks = read_mattes(corpus, row)
    assert len(mattes) == len(landmarks) == 30
    assert 0.1 < (mattes[0] > 127).mean() < 0.9
    with pytest.raises(InputError, match="no matte of the person here"):
        read_mattes(replace(corpus, truth=None), row)


def test_processes_of_one_training_write_arrays_of_their_own(tmp_path):
    first = new_array(tmp_path, "frames", np.uint8, (3, 4))
    first[:] = 1
    second = new_array(tmp_path, "frames", np.uint8, (3, 4))
    second[:] = 2
    assert first.min() == first.max() == 1
    assert second.min() == 2
    assert list(tmp_path.iterdir()) == []  # nothing is left of a training that is killed


def test_mattes_from_files_fit_their_clips(corpus, tmp_path):
    row = replace(corpus.rows[0], n_frames=30)
    real = replace(corpus, truth=None, crops=tmp_path / "crops")
    path = (tmp_path / "mattes" / row.video_path).with_suffix(".mp4")
    path.parent.mkdir(parents=True)
    shape = (row.n_frames, corpus.size, corpus.size, 3)
    write_video(path, np.full(shape, 255, np.uint8))
    mattes, _ = read_mattes(real, row)
    assert len(mattes) == row.n_frames
    assert mattes[0].min() > 240
    for wrong in ((shape[0] - 1, *shape[1:]), (shape[0], 32, 32, 3)):
        write_video(path, np.zeros(wrong, np.uint8))
        with pytest.raises(InputError, match=f"expected a matte of {shape[0]} frames of {shape[1]} x {shape[1]}"):
            read_mattes(real, row)
