import cv2
import numpy as np
import pytest

from gmbench.clips import find_clips, label, match
from gmbench.errors import InputError
from gmbench.evaluation.planning import inputs


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def images(folder, count=2):
    folder.mkdir(parents=True)
    for n in range(count):
        cv2.imwrite(str(folder / f"{n:03d}.png"), np.zeros((8, 8, 3), np.uint8))


def test_videos_sound_landmarks_and_frames_of_one_clip_come_together(tmp_path):
    touch(tmp_path, "M003/a.mp4", "M003/a.wav", "M003/a.landmarks.npz", "M003/b.mov", "M003/.hidden.mp4", "x.txt")
    images(tmp_path / "W009" / "c")
    touch(tmp_path, "W009/c.wav")
    images(tmp_path / "W009" / "d")
    touch(tmp_path, "W009/d/audio.wav")
    found = find_clips(tmp_path)
    assert list(found) == ["M003/a", "M003/b", "W009/c", "W009/d"]
    assert found["M003/a"].audio.name == "a.wav"
    assert found["M003/a"].landmarks.name == "a.landmarks.npz"
    assert found["W009/c"].video.is_dir()
    assert found["W009/c"].audio.name == "c.wav"
    assert found["W009/d"].audio.name == "audio.wav"
    assert found["W009/c"].speaker == "W009"


def test_nested_and_flat_names_match(tmp_path):
    generated = find_clips(touch(tmp_path / "g", "M003_happy_1.mp4", "M003_happy_2.mp4", "extra.mp4"))
    real = find_clips(touch(tmp_path / "r", "M003/happy_1.mp4", "M003/happy_2.mp4", "M003/sad_1.mp4"))
    pairs, warnings = match(generated, real, "g")
    assert {pair.clip: pair.generated is not None for pair in pairs} == {
        "M003/happy_1": True, "M003/happy_2": True, "M003/sad_1": False,
    }  # fmt: skip
    assert pairs[0].speaker == "M003"
    assert warnings == ["g: extra has no reference and is not scored"]


def test_labels(tmp_path):
    pairs, _ = match(find_clips(touch(tmp_path / "g", "a.mp4", "b.mp4")), None, "g")
    (tmp_path / "labels.csv").write_text("clip,speaker,emotion\na,M003,happy\n")
    labelled = label(pairs, tmp_path / "labels.csv")
    assert [(p.speaker, p.emotion) for p in labelled] == [("M003", "happy"), ("", "")]
    (tmp_path / "labels.csv").write_text("name\na\n")
    with pytest.raises(InputError, match="column clip is missing"):
        label(pairs, tmp_path / "labels.csv")


def test_sound_from_another_folder(tmp_path):
    touch(tmp_path / "g", "M003/a.mp4", "M003/b.mp4")
    touch(tmp_path / "r", "M003/a.mp4", "M003/b.mp4")
    touch(tmp_path / "s", "M003_a.wav")
    given = inputs.gather([str(tmp_path / "g")], reference=tmp_path / "r", audio=tmp_path / "s")
    first, second = given.methods["g"]
    assert first.generated.audio.name == first.reference.audio.name == "M003_a.wav"
    assert second.generated.audio is None


def test_names_of_methods(tmp_path):
    for name in ("one", "two", "three"):
        touch(tmp_path / name, "a.mp4")
    folders = [f"mine={tmp_path / 'one'}", str(tmp_path / "two"), str(tmp_path / "three")]
    assert list(inputs.gather(folders, names=["second"]).methods) == ["mine", "second", "three"]
    with pytest.raises(InputError, match="no folder left"):
        inputs.gather(folders, names=["a", "b", "c"])
