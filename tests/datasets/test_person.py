"""From videos of one person to clips of a sentence each: cuts, and what cannot be used."""

import contextlib
import errno

import numpy as np
import pytest

from gmbench.api.person import add_person, train_person
from gmbench.config import FILE, load
from gmbench.datasets import readers
from gmbench.datasets.person import cutting
from gmbench.datasets.person.sentences import LONGEST, SHORTEST, cut_sentences
from gmbench.errors import InputError, WeightsError
from gmbench.face.faces import Face
from gmbench.face.landmarks import BACKENDS, LandmarkBackend
from gmbench.face.landmarks_68 import mesh_vertices
from gmbench.media import Video, read_audio, write_audio, write_video
from gmbench.morphable.model import EXPRESSION
from gmbench.morphable.synthetic.model import synthetic_model


def _loudness(parts):
    """Levels of speech (1) and silence (0), with a noise floor."""
    return np.concatenate([np.full(count, 0.1 if loud else 0.002) for count, loud in parts])


def test_cuts_fall_into_silences():
    rms = _loudness([(120, 1), (10, 0), (150, 1), (12, 0), (140, 1), (6, 0), (90, 1)])
    parts = cut_sentences(rms, np.ones(len(rms), bool))
    assert parts == [(0, 125), (125, 286), (286, 528)]


def test_cuts_go_on_without_silences_and_leave_out_who_is_not_seen():
    rms, usable = np.full(900, 0.1), np.ones(900, bool)
    rms[240] = 0.05
    usable[400:420] = usable[440:] = False
    parts = cut_sentences(rms, usable)
    assert parts == [(0, 240), (240, 400)]
    assert all(SHORTEST <= stop - first <= LONGEST for first, stop in parts)


@pytest.fixture(scope="module")
def mesh():
    model = synthetic_model()
    return model.landmark_points(np.zeros(150), np.zeros((1, EXPRESSION)), np.zeros((1, 12)), 100)[0]


@pytest.fixture
def faces(mesh, monkeypatch):
    """A backend that finds a face at (x, y) offsets that a function of the frame's grey gives."""

    def install(where):
        @contextlib.contextmanager
        def opened(sidecar):
            def detect(frame):
                moved = [mesh * len(frame) / 100 * 0.4 + np.array(place) for place in where(int(frame[0, 0, 0]))]
                return [Face(points[mesh_vertices()], mesh=points) for points in moved]

            yield detect

        monkeypatch.setitem(BACKENDS.built_in, "found", LandmarkBackend(name="found", version=1, open_detector=opened))

    return install


def _film(path, seconds=21, shape=(64, 64), greys=None, sound=True):
    count = int(seconds * 25)
    shown = greys if greys is not None else np.full(count, 100)
    frames = (np.full((*shape, 3), grey, np.uint8) for grey in shown)
    rng = np.random.default_rng(0)
    noise = (rng.normal(0, 3000, count * 640) * (np.arange(count * 640) % 64_000 < 56_000)).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, noise if sound else None)
    return path


def _add(tmp_path, *videos, **options):
    return add_person("anna", videos, tmp_path / "out", landmarks="found", size=64, **options)


def test_a_video_becomes_clips_and_a_configuration(tmp_path, faces):
    faces(lambda grey: [(5, 8)])
    film = _film(tmp_path / "happy talk.mp4", shape=(96, 64))
    (report,) = _add(tmp_path, film)
    assert (report.emotion, report.seconds, report.seen, report.used) == ("happy", 21, 21, 21)
    clips = sorted((tmp_path / "out/clips/anna/happy").glob("*.mp4"))
    assert len(clips) == report.clips >= 3
    assert {(Video(c).info.width, Video(c).info.height) for c in clips} == {(64, 64)}
    assert sum(Video(c).info.frames for c in clips) == 525
    assert abs(len(read_audio(clips[0])) / 640 - Video(clips[0]).info.frames) < 2
    section = load(tmp_path / "out" / FILE).datasets["anna"]
    assert (section.kind, section.size, section.landmarks) == ("folder", 64, "found")
    rows = readers.read("folder", tmp_path / "out/clips").rows
    assert {row.speaker for row in rows} == {"anna"}
    assert {row.split for row in rows} >= {"train", "test"}
    with pytest.raises(InputError, match="there are clips of anna already"):
        _add(tmp_path, film)
    assert len(_add(tmp_path, film, force=True)) == 1


def test_parts_without_a_face_are_left_out_and_counted(tmp_path, faces):
    faces(lambda grey: [(5, 8)] if grey > 50 else [])
    greys = np.full(700, 100)
    greys[250:350] = 0
    (report,) = _add(tmp_path, _film(tmp_path / "a.mp4", 28, greys=greys))
    assert (report.seen, report.used, report.emotion) == (24, 24, "")
    assert len(list((tmp_path / "out/clips/anna/unlabelled").iterdir())) == report.clips


def test_labels_sound_beside_and_what_is_written_when_the_disk_is_full(tmp_path, faces, monkeypatch):
    faces(lambda grey: [(5, 8)])
    film = _film(tmp_path / "a.mp4", sound=False)
    with pytest.raises(InputError, match=r"a.mp4: no sound in it; put a.wav beside it"):
        _add(tmp_path, film)
    write_audio(tmp_path / "a.wav", (np.sin(np.arange(21 * 16000) / 9) * 3000).astype(np.int16))
    with pytest.raises(InputError, match=r"--emotion: 'c\.mp4' is none of the videos"):
        _add(tmp_path, film, emotions={"c.mp4": "sad"})
    with pytest.raises(InputError, match="--emotion: 'sda' is unknown"):
        _add(tmp_path, film, emotions={"a.mp4": "sda"})
    assert _add(tmp_path, film, emotions={"a.mp4": "joy"})[0].emotion == "happy"

    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = sorted((tmp_path / "out").rglob("*"))
    monkeypatch.setattr(cutting, "write_video", full)
    with pytest.raises(InputError, match=r"could not be written \(the disk is full\); nothing of them was kept"):
        _add(tmp_path, film, force=True)
    assert sorted((tmp_path / "out").rglob("*")) == before


@pytest.mark.parametrize(
    ("where", "film", "message"),
    [
        (lambda grey: [], {}, "no face in 21 s"),
        (lambda grey: [(0, 8), (34, 8)], {}, "100% of the frames show more than one face"),
        (lambda grey: [(5, 8)], {"seconds": 8}, "8 s of video in all; at least 20 s are needed"),
        (lambda grey: [(5, 8)] if grey else [], {"greys": [9] * 100 + [0] * 425}, "4 s of sentences with a face"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_nothing_is_written(tmp_path, faces, where, film, message):
    faces(where)
    with pytest.raises(InputError, match=message) as caught:
        _add(tmp_path, _film(tmp_path / "a.mp4", **film))
    assert "\n" not in str(caught.value)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["", "../x", "happy", "-a", "a b"])
def test_names_that_cannot_be_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="expected letters, digits and hyphens"):
        add_person(name, [tmp_path / "a.mp4"])


def test_projects_and_files_that_are_missing_are_named(tmp_path, monkeypatch, faces):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GMBENCH_WEIGHTS", str(tmp_path / "none"))
    with pytest.raises(InputError, match="gmbench person add bob VIDEO"):
        train_person("bob")
    with pytest.raises(WeightsError, match="is missing: run"):
        add_person("bob", [_film(tmp_path / "a.mp4")])
    (tmp_path / "bob").mkdir(exist_ok=True)
    (tmp_path / "bob" / FILE).write_text("profile: mine\n")
    faces(lambda grey: [(5, 8)])
    with pytest.raises(InputError, match="save it under another name"):
        add_person("bob", [tmp_path / "a.mp4"], landmarks="found")
