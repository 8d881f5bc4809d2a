"""From videos of one person to clips of a sentence each: cuts, and what cannot be used."""

import contextlib
import errno
from fractions import Fraction

import av
import numpy as np
import pytest

from gmbench.api import person
from gmbench.api.person import add_person, train_person
from gmbench.config import FILE, load
from gmbench.datasets import readers
from gmbench.datasets.person import cutting, footage
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


@pytest.fixture
def short(monkeypatch):
    """Two seconds of a person are enough."""
    for module in (person, cutting):
        monkeypatch.setattr(module, "LEAST_OF_PERSON", 50)


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


def test_a_crop_stays_until_the_head_is_elsewhere_and_within_the_picture(tmp_path, faces):
    faces(lambda grey: [(5 + (grey - 100) / 10, 8)])
    greys = np.full(150, 100)
    greys[60:100], greys[100:] = 104, 220
    small = footage.look(_film(tmp_path / "a.mp4", 6, greys=greys), "", "found")
    first, second, last = (small.square(*part) for part in ((0, 60), (60, 100), (100, 150)))
    assert first == second
    assert last.x - first.x > footage.STAYS * first.half
    assert all(half <= x <= 64 - half for x, half in ((s.x, s.half) for s in (first, last)))
    large = footage.look(_film(tmp_path / "b.mp4", 6, shape=(256, 256), greys=greys), "", "found")
    assert large.square(0, 60).half == pytest.approx(4 * first.half)  # each video's own: the person is equally large


def test_names_of_clips_hold_no_emotion_but_their_own(tmp_path, faces, short):
    faces(lambda grey: [(5, 8)])
    films = [
        _film(tmp_path / "happy/talk.mp4", 3),
        _film(tmp_path / "sad/talk.mp4", 3),
        _film(tmp_path / "sad one.mp4", 3),
    ]
    further = _film(tmp_path / "talk.mp4", 3)
    reports = _add(tmp_path, *films, emotions={"sad one": "angry", str(further): "sad"})
    assert [report.emotion for report in reports] == ["happy", "sad", "angry", "sad"]
    found = {path.parent.name + "/" + path.stem[:-5] for path in (tmp_path / "out/clips/anna").glob("*/*.mp4")}
    assert found == {"happy/talk", "sad/talk", "angry/one", "sad/talk-2"}
    rows = readers.read("folder", tmp_path / "out/clips").rows
    assert {row.emotion for row in rows} == {"happy", "sad", "angry"}
    with pytest.raises(InputError, match=r"--emotion: 'talk' could be .*happy/talk.mp4 or .*; give its path"):
        _add(tmp_path, *films, emotions={"talk": "sad"}, force=True)
    with pytest.raises(InputError, match="named twice"):
        _add(tmp_path, films[0], films[0], force=True)


def test_parts_without_a_face_are_left_out_and_counted(tmp_path, faces):
    faces(lambda grey: [(5, 8)] if grey > 50 else [])
    greys = np.full(700, 100)
    greys[250:350] = 0
    (report,) = _add(tmp_path, _film(tmp_path / "a.mp4", 28, greys=greys))
    assert (report.seen, report.used, report.emotion) == (24, 24, "")
    assert len(list((tmp_path / "out/clips/anna/unlabelled").iterdir())) == report.clips


def test_what_comes_after_the_end_of_the_sound_is_left_out(tmp_path, faces, short):
    faces(lambda grey: [(5, 8)])
    film = _film(tmp_path / "a.mp4", 8, sound=False)
    write_audio(tmp_path / "a.wav", (np.sin(np.arange(5 * 16000) / 9) * 3000).astype(np.int16))
    (report,) = _add(tmp_path, film)
    assert 5 <= report.used <= 6


def test_labels_sound_beside_and_what_is_written_when_the_disk_is_full(tmp_path, faces, monkeypatch):
    faces(lambda grey: [(5, 8)])
    film = _film(tmp_path / "a.mp4", sound=False)
    with pytest.raises(InputError, match=r"a.mp4: no sound in it; put a.wav beside it"):
        _add(tmp_path, film)
    write_audio(tmp_path / "a.wav", (np.sin(np.arange(21 * 16000) / 9) * 3000).astype(np.int16))
    with pytest.raises(InputError, match=r"--emotion: 'c\.mp4' is no file and none of the videos"):
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


@pytest.mark.parametrize(
    ("name", "possible"),
    [("", "anna"), ("../x", "x"), ("happy", "anna"), ("-a", "a"), ("Zoë B.", "Zoe-B"), ("anna-joy", "anna")],
)
def test_names_that_cannot_be_are_refused(tmp_path, name, possible):
    with pytest.raises(InputError, match=rf"expected letters a to z, digits and hyphens, and .*, as in {possible}$"):
        add_person(name, [tmp_path / "a.mp4"])


def _recorded(path, seconds, rate, shape, turned=False, lost=0.0):
    """A video of any rate and size with sound; ``turned`` by its metadata, some of its frames ``lost``."""
    rng, size = np.random.default_rng(0), shape[::-1] if turned else shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        (stream.height, stream.width), stream.pix_fmt = size, "yuv420p"
        stream.codec_context.max_b_frames = 0
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        picture = av.VideoFrame.from_ndarray(np.full((*size, 3), 100, np.uint8), format="rgb24").reformat(
            format="yuv420p"
        )
        for number in range(int(seconds * rate)):
            if number and rng.random() < lost:
                continue
            picture.pts, picture.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        noise = rng.normal(0, 3000, (1, int(seconds * 16_000))).astype(np.int16)
        for start in range(0, noise.shape[1], 1024):
            part = av.AudioFrame.from_ndarray(noise[:, start : start + 1024], format="s16", layout="mono")
            part.sample_rate, part.pts, part.time_base = 16_000, start, Fraction(1, 16_000)
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))
    if turned:  # by 90 degrees: the display matrix of the first track, a b u, c d v
        data = bytearray(path.read_bytes())
        place = data.find(b"tkhd") + 4 + 40
        data[place : place + 20] = b"".join(n.to_bytes(4, "big", signed=True) for n in (0, 65536, 0, -65536, 0))
        path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("seconds", "rate", "shape", "how"),
    [
        (2.2, 60, (2160, 3840), {}),
        (3, 30, (640, 360), {}),
        (3, 30, (320, 180), {"turned": True}),
        (4, 30, (90, 120), {"lost": 0.3}),
    ],
)
def test_any_size_rate_and_orientation_is_cut_around_the_head(tmp_path, faces, short, seconds, rate, shape, how):
    faces(lambda grey: [(5, 8)])
    film = _recorded(tmp_path / "Zoë spricht (1).MP4", seconds, rate, shape, **how)
    info = Video(film).info
    assert (info.height, info.width) == shape
    assert info.variable_rate == bool(how.get("lost"))
    (report,) = _add(tmp_path, film)
    assert (report.seconds, report.used) == pytest.approx((seconds, seconds), abs=0.06)
    (clip,) = (tmp_path / "out/clips/anna/unlabelled").iterdir()
    assert clip.name == "Zoë-spricht-1_0001.mp4"
    frames = np.stack(list(Video(clip)))
    assert frames.shape == (round(report.used * 25), 64, 64, 3)
    assert abs(frames.astype(int) - 100).max() < 5  # nothing outside of the picture


def test_projects_and_files_that_are_missing_are_named(tmp_path, monkeypatch, faces):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GMBENCH_WEIGHTS", str(tmp_path / "none"))
    with pytest.raises(InputError, match="gmbench person add bob VIDEO"):
        train_person("bob")
    with pytest.raises(InputError, match=r"no project here; make one with 'gmbench person add bob VIDEO --out .*/bob'"):
        train_person("bob", tmp_path / "bob")
    with pytest.raises(WeightsError, match="is missing: run"):
        add_person("bob", [_film(tmp_path / "a.mp4")])
    (tmp_path / "bob").mkdir(exist_ok=True)
    (tmp_path / "bob" / FILE).write_text("profile: mine\n")
    faces(lambda grey: [(5, 8)])
    with pytest.raises(InputError, match="save it under another name"):
        add_person("bob", [tmp_path / "a.mp4"], landmarks="found")
