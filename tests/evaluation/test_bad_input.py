"""Each kind of bad input gives a one-line error or a record with its reason; other clips are unharmed."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gmbench import clips
from gmbench.corpus.sketch import draw_clip, write_sketch
from gmbench.errors import InputError, StoreError
from gmbench.evaluation.planning import inputs, plan
from gmbench.evaluation.results import aggregate, result_folder
from gmbench.evaluation.run import evaluate
from gmbench.evaluation.scoring import registry
from gmbench.media import Video, write_video
from tests.evaluation import helpers, killer
from tests.media.files import tone, write
from tests.media.test_audio import write_wav

SUFFIXES = (".mp4", ".landmarks.npz")


@pytest.fixture
def pair(sketches, tmp_path):
    """Folders ``ours`` and ``real`` with two sound clips, to be joined by a bad one."""
    for folder, source in (("ours", "near"), ("real", "reference")):
        (tmp_path / folder).mkdir()
        for clip in ("000", "001"):
            for suffix in SUFFIXES:
                shutil.copy(sketches / source / "S000" / f"{clip}{suffix}", tmp_path / folder / f"{clip}{suffix}")
    return tmp_path


def add(pair, name, content=None, side="ours", partner=True):
    """A clip called ``name`` on one side, a sound one on the other."""
    if partner:
        other = "real" if side == "ours" else "ours"
        for suffix in SUFFIXES:
            shutil.copy(pair / other / f"000{suffix}", pair / other / f"{name}{suffix}")
    if content is not None:
        (pair / side / f"{name}.mp4").write_bytes(content)


def score(pair, metrics=("psnr", "ssim", "m_nlmd", "div", "ba_m2a"), **options):
    given = inputs.gather([str(pair / "ours")], reference=pair / "real")
    planned = plan.make_plan(
        given.methods, "x", helpers.protocol(), registry.select(list(metrics), True), options.pop("controls", ())
    )
    return evaluate(planned, pair / "store", **options)


def only(table, clip):
    return table[(table["clip"] == clip) & (table["method"] == "ours")].set_index("metric_name")


def others_are_unharmed(table):
    sound = table[table["clip"].isin(["000", "001"])]
    assert len(sound)
    assert set(sound["status"]) == {"ok"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"text\n" * 100, "not a readable media file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
    ],
    ids=["zero bytes", "text", "git-lfs pointer"],
)
@pytest.mark.parametrize("side", ["ours", "real"])
def test_unreadable_file(pair, content, reason, side):
    add(pair, "bad", content, side)
    table = score(pair)
    bad = only(table, "bad")
    assert bad.loc[["psnr", "ssim", "m_nlmd"], "status"].tolist() == ["failed"] * 3
    assert bad.loc["psnr", "reason"].startswith(str(pair / side / "bad.mp4"))
    assert reason in bad.loc["psnr", "reason"]
    if side == "real":
        assert bad.loc["div", "status"] == "ok"  # the generated clip itself is sound
    sizes = bad.loc["psnr", ["generated_size", "reference_size"]].tolist()
    assert sizes == (["", "128x128"] if side == "ours" else ["128x128", ""])
    others_are_unharmed(table)


def test_a_copy_of_anothers_reference_without_one_of_its_own(pair):
    """The unusable reference must not take along the clip whose reference shows the same picture."""
    for suffix in SUFFIXES:
        shutil.copy(pair / "real" / f"000{suffix}", pair / "ours" / f"00{suffix}")  # sorted first
    (pair / "real" / "00.mp4").write_bytes(b"")
    table = score(pair)
    assert only(table, "00").loc["psnr", "status"] == "failed"
    assert only(table, "00").loc["div", "status"] == "ok"
    others_are_unharmed(table)


def test_truncated_file(pair):
    whole = (pair / "ours" / "000.mp4").read_bytes()
    add(pair, "bad", whole[: len(whole) // 2])
    table = score(pair)
    assert set(only(table, "bad")["status"]) == {"failed"}
    assert "bad.mp4" in only(table, "bad").loc["psnr", "reason"]
    others_are_unharmed(table)


def test_missing_clip_counts_in_coverage(pair):
    add(pair, "bad")
    table = score(pair)
    assert set(only(table, "bad")["status"]) == {"missing"}
    rows = {row.metric: row for row in aggregate.rows(table)}
    assert (rows["psnr"].n, rows["psnr"].expected) == (2, 3)


def test_sound_without_a_video(pair):
    add(pair, "bad")
    write_wav(pair / "ours" / "bad.wav", tone(1.0), 16000)
    table = score(pair)
    assert set(only(table, "bad")["status"]) == {"missing"}
    assert "only sound" in only(table, "bad").loc["psnr", "reason"]
    others_are_unharmed(table)


def silent_copy(pair, name, side):
    write_video(pair / side / f"{name}.mp4", Video(pair / side / "000.mp4"))
    shutil.copy(pair / side / "000.landmarks.npz", pair / side / f"{name}.landmarks.npz")


def test_video_without_sound_borrows_the_references(pair):
    add(pair, "mute")
    silent_copy(pair, "mute", "ours")
    table = score(pair)
    row = only(table, "mute").loc["ba_m2a"]
    assert row["status"] == "ok"
    assert "reference_audio" in row["flags"]


def test_own_sound_goes_before_a_file_beside_the_video_and_a_named_folder_before_both(pair):
    for folder in (pair / "ours", pair / "sounds"):
        folder.mkdir(exist_ok=True)
        write_wav(folder / "000.wav", tone(1.0), 16000)
    folders = {"videos": [str(pair / "ours")], "reference": pair / "real"}

    def sources(folders=folders, **more):
        given = inputs.gather(**folders, **more)
        planned = plan.make_plan(given.methods, "x", helpers.protocol(), registry.select(["ba_m2a"], True))
        return [clip.generated.audio for clip in planned.clips], "\n".join((*given.warnings, *planned.warnings))

    files, notes = sources()
    assert files == [pair / "ours" / "000.mp4", pair / "ours" / "001.mp4"]
    assert "1 sound beside videos with a track of their own not used (000.wav)" in notes
    (pair / "list.csv").write_text(
        "clip,generated,reference\n000,ours/000.mp4,real/000.mp4\n001,ours/001.mp4,real/001.mp4\n"
    )
    listed = {"videos": [], "pairs": pair / "list.csv"}
    assert sources(listed) == (files, ""), "a table that names no sounds"
    files, notes = sources(audio=pair / "sounds")
    assert files == [pair / "sounds" / "000.wav", pair / "ours" / "001.mp4"]
    assert "not used" not in notes
    write_video(pair / "ours" / "000.mp4", list(Video(pair / "ours" / "000.mp4")))
    assert sources()[0][0] == pair / "ours" / "000.wav"


def test_no_sound_on_either_side(pair):
    for side in ("ours", "real"):
        silent_copy(pair, "mute", side)
    table = score(pair)
    row = only(table, "mute").loc["ba_m2a"]
    assert row["status"] == "failed"
    assert "put <clip>.wav" in row["reason"]
    assert only(table, "mute").loc["psnr", "status"] == "ok"


def test_clip_of_one_frame(pair):
    for side in ("ours", "real"):
        sketch = draw_clip(0, 0, seconds=0.04, size=128)
        write_sketch(pair / side / "one.mp4", sketch)
    table = score(pair)
    one = only(table, "one")
    assert one.loc["psnr", "frames_used"] == 1
    assert one.loc["div", "status"] == one.loc["ba_m2a", "status"] == "undefined"
    others_are_unharmed(table)


def test_different_sizes_are_resized_to_the_reference(pair):
    sketch = draw_clip(3, 0, seconds=1.0, size=192)
    write_sketch(pair / "ours" / "big.mp4", sketch)
    write_sketch(pair / "real" / "big.mp4", draw_clip(3, 0, seconds=1.0, size=128))
    table = score(pair)
    big = only(table, "big")
    assert (big["status"].drop("ba_m2a") == "ok").all()
    assert big.loc["psnr", ["generated_size", "reference_size"]].tolist() == ["192x192", "128x128"]
    assert big.loc["psnr", "value"] > 25
    assert big.loc["m_nlmd", "value"] == pytest.approx(0.0, abs=1e-6)  # landmarks are scaled as well


def shortened(pair, name, frames):
    kept = [frame for n, frame in enumerate(Video(pair / "ours" / "000.mp4")) if n < frames]
    write_video(pair / "ours" / f"{name}.mp4", kept)
    with np.load(pair / "ours" / "000.landmarks.npz") as file:
        rows = {key: file[key] if key == "detector" else file[key][:frames] for key in file.files}
    np.savez(pair / "ours" / f"{name}.landmarks.npz", **rows)


def test_lengths_that_differ(pair):
    add(pair, "less1")
    add(pair, "half")
    shortened(pair, "less1", 59)
    shortened(pair, "half", 30)
    table = score(pair)
    assert only(table, "less1").loc["psnr", ["frames_used", "flags"]].tolist() == [59, ""]
    assert only(table, "half").loc["psnr", ["frames_used", "flags"]].tolist() == [30, "length_mismatch"]
    assert only(table, "half").loc["m_nlmd", "flags"] == "length_mismatch"


@pytest.mark.parametrize("pix_fmt", ["gray", "yuv420p10le"])
def test_grey_and_10_bit_video(pair, pix_fmt):
    for side in ("ours", "real"):
        write(pair / side / "odd.mp4", np.arange(20) / 25, pix_fmt=pix_fmt, audio=tone(0.8))
    table = score(pair, metrics=("psnr", "ssim"))
    assert set(only(table, "odd")["status"]) == {"ok"}


def test_lost_faces_are_left_out_and_counted(pair):
    for name in ("some", "none"):
        add(pair, name)
        shutil.copy(pair / "ours" / "000.mp4", pair / "ours" / f"{name}.mp4")
        with np.load(pair / "ours" / "000.landmarks.npz") as file:
            arrays = dict(file)
        arrays["points"][: 12 if name == "some" else None] = np.nan
        np.savez(pair / "ours" / f"{name}.landmarks.npz", **arrays)
    table = score(pair)
    some, none = only(table, "some"), only(table, "none")
    assert some.loc["m_nlmd", ["status", "frames_used", "frames_expected"]].tolist() == ["ok", 48, 60]
    assert some.loc["m_nlmd", "flags"] == "low_coverage"
    assert none.loc["m_nlmd", "status"] == none.loc["div", "status"] == "failed"
    assert "no face found in 60 frames" in none.loc["m_nlmd", "reason"]
    assert none.loc["psnr", "status"] == "ok"
    others_are_unharmed(table)


@pytest.mark.parametrize("broken", ["absent", "short", "cut", "empty"])
def test_without_landmarks_the_pixels_are_still_compared(pair, broken):
    add(pair, "bad")
    shutil.copy(pair / "ours" / "000.mp4", pair / "ours" / "bad.mp4")
    if broken == "short":
        np.savez(pair / "ours" / "bad.landmarks.npz", points=np.ones((7, 68, 2)), detector="sketch")
    if broken in ("cut", "empty"):
        whole = (pair / "ours" / "000.landmarks.npz").read_bytes()
        (pair / "ours" / "bad.landmarks.npz").write_bytes(whole[: 900 if broken == "cut" else 0])
    table = score(pair)
    bad = only(table, "bad")
    assert bad.loc[["psnr", "ssim"], "status"].tolist() == ["ok", "ok"]
    assert bad.loc[["m_nlmd", "div", "ba_m2a"], "status"].tolist() == ["failed"] * 3
    assert ("7 rows" if broken == "short" else ".landmarks.npz") in bad.loc["m_nlmd", "reason"]
    others_are_unharmed(table)


def test_missing_and_broken_folders(pair, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder, message in (("nowhere", "no such folder"), ("empty", "no videos found")):
        with pytest.raises(InputError, match=message):
            inputs.gather([str(tmp_path / folder)], reference=pair / "real")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="got a file"):
        inputs.gather([str(tmp_path / "file")])
    with pytest.raises(InputError, match="--videos"):
        inputs.gather([])


def test_no_matching_names_shows_the_nearest(pair, sketches):
    os.rename(pair / "real" / "000.mp4", pair / "real" / "happy_001.mp4")
    os.rename(pair / "real" / "001.mp4", pair / "real" / "happy_002.mp4")
    for clip in ("000", "001"):
        os.rename(pair / "ours" / f"{clip}.mp4", pair / "ours" / f"happy-{clip}.mp4")
    with pytest.raises(InputError, match=r"'happy-000'.*did you mean happy_00"):
        score(pair)


def test_two_files_of_one_clip(pair):
    shutil.copy(pair / "ours" / "000.mp4", pair / "ours" / "000.mov")
    with pytest.raises(InputError, match="keep one of them"):
        score(pair)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", "a\nb", "a//b"])
def test_clip_names_that_leave_their_folder(tmp_path, name):
    table = tmp_path / "pairs.csv"
    table.write_text(f'clip,generated\n"{name}",a.mp4\n')
    with pytest.raises(InputError, match=r"pairs\.csv, line 2"):
        clips.read_pairs(table)


def test_tables_of_pairs(pair):
    table = pair / "pairs.csv"
    table.write_text(
        "method,clip,generated,reference,landmarks,reference_landmarks,speaker\n"
        "a,x,ours/000.mp4,real/000.mp4,ours/000.landmarks.npz,real/000.landmarks.npz,s1\n"
        "b,x,ours/001.mp4,real/000.mp4,ours/001.landmarks.npz,real/000.landmarks.npz,s1\n"
        "a,y,ours/gone.mp4,real/001.mp4,,,s2\n"
        "a,z,ours/000.mp4,real/000.mp4,ours/gone.npz,real/000.landmarks.npz,s2\n"
    )
    given = inputs.gather([], pairs=table)
    planned = plan.make_plan(given.methods, "x", helpers.protocol(), registry.select(["psnr", "m_nlmd"], True))
    records = evaluate(planned, pair / "store").set_index(["method", "clip", "metric_name"])
    assert records.loc[("a", "x", "psnr"), "status"] == "ok"
    assert records.loc[("b", "x", "m_nlmd"), "status"] == "ok"
    assert records.loc[("a", "y", "psnr"), "status"] == "missing"
    assert "gone.mp4: no such file" in records.loc[("a", "y", "psnr"), "reason"]
    assert records.loc[("a", "z", "psnr"), "status"] == "ok"
    assert "gone.npz" in records.loc[("a", "z", "m_nlmd"), "reason"]
    table.write_text("clip,video\nx,y\n")
    with pytest.raises(InputError, match="column generated is missing"):
        clips.read_pairs(table)
    table.write_text("clip,generated\nx,a.mp4\nx,b.mp4\n")
    with pytest.raises(InputError, match=r"line 3.*twice"):
        clips.read_pairs(table)


def test_output_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="--out"):
        result_folder.check_writable(tmp_path / "file" / "out")
    monkeypatch.setattr(result_folder.os, "access", lambda path, mode: False)
    with pytest.raises(StoreError, match="not writable"):
        result_folder.check_writable(tmp_path / "out")


def test_full_disk_stops_with_the_remedy_and_keeps_what_is_done(pair, monkeypatch):
    score(pair, metrics=("ssim",))
    finished = sorted((pair / "store").rglob("*.safetensors"))
    original = Path.write_bytes

    def full(self, data):
        if self.name.endswith(".part"):
            original(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match="disk full; free some space and run again"):
        score(pair, metrics=("psnr",))
    monkeypatch.undo()
    assert sorted((pair / "store").rglob("*")) == sorted({*finished, *(p.parent for p in finished)})
    others_are_unharmed(score(pair, metrics=("psnr",)))


def test_a_bug_in_one_clip_is_its_failure(pair, monkeypatch):
    from gmbench.evaluation.extraction import frame_pass

    add(pair, "bad")
    shutil.copy(pair / "ours" / "001.mp4", pair / "ours" / "bad.mp4")

    class Breaking(frame_pass.Video):
        def __iter__(self):
            if self.path.name == "bad.mp4" and self.path.parent.name == "ours":
                raise ZeroDivisionError("broken library")
            return super().__iter__()

    monkeypatch.setattr(frame_pass, "Video", Breaking)
    table = score(pair, metrics=("psnr", "ssim"))
    assert "ZeroDivisionError: broken library" in only(table, "bad").loc["psnr", "reason"]
    others_are_unharmed(table)


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_clip_only(pair):
    for side in ("ours", "real"):
        write(pair / side / "deadly.mp4", np.arange(5) / 25)  # 64 pixels high
    given = inputs.gather([str(pair / "ours")], reference=pair / "real")
    planned = plan.make_plan(given.methods, "x", helpers.protocol(), [killer.METRIC])
    table = evaluate(planned, pair / "store", workers=2)
    bad = only(table, "deadly")
    assert bad["status"].tolist() == ["failed"]
    assert "worker died" in bad.loc["deadly", "reason"]
    others_are_unharmed(table)


@pytest.mark.slow
def test_killed_and_started_again_ends_with_the_same_bytes(sketches, tmp_path, environment):
    command = [
        sys.executable, "-m", "gmbench", "eval", "--videos", str(sketches / "near"), "--videos",
        str(sketches / "far"), "--reference", str(sketches / "reference"), "--landmarks", "sidecar",
    ]  # fmt: skip
    store = Path(environment["GMBENCH_STORE"])
    process = subprocess.Popen([*command, "--out", str(tmp_path / "a")], env=environment, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 900
    while len(list(store.rglob("*.safetensors"))) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "a" / "records.parquet").exists()
    subprocess.run([*command, "--out", str(tmp_path / "a")], env=environment, check=True, capture_output=True)
    fresh = environment | {"GMBENCH_STORE": str(tmp_path / "fresh")}
    subprocess.run([*command, "--out", str(tmp_path / "b")], env=fresh, check=True, capture_output=True)
    first, second = ((tmp_path / side / "records.parquet").read_bytes() for side in "ab")
    assert first == second
