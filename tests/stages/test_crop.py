"""The stage ``crop`` on small clips with a detector that finds chosen faces."""

import contextlib

import numpy as np
import pytest
import yaml

from gmbench import config
from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.face.faces import MESH, Face
from gmbench.media import SAMPLES_PER_FRAME, Video, read_audio, write_audio, write_video
from gmbench.stages import crop as stage
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.store import Store

ANCHOR, UPPER, LOWER = 197, 13, 14
SIDE, FRAMES = 160, 10


class Detector:
    """Finds a face in the middle whose nose is as far above the mouth as the frame is bright."""

    def weights_sha256(self):
        return ""

    def open(self, sidecar=None):
        return contextlib.nullcontext(self.detect)

    @staticmethod
    def detect(frame):
        distance = frame.mean() / 10
        mesh = np.full((MESH, 2), SIDE / 2)
        mesh[[UPPER, LOWER], 1] += distance
        mesh[0], mesh[1] = 10, 150
        return [Face(mesh[:68], mesh=mesh)]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "backend", lambda name: Detector())
    params = config.Params.model_validate(yaml.safe_load(config.profiles()["smoke"])).model_copy(update={"workers": 1})
    paths = DatasetPaths("d", tmp_path / "work", tmp_path / "results")
    return PipelineRun(params, paths, Store(tmp_path / "store"), quiet=True)


def prepare(run, tmp_path, clips, **options):
    """Write clips (speaker, brightness, seconds of sound) and crop them; the manifest of the crops."""
    rows = []
    for number, (speaker, grey, samples) in enumerate(clips):
        name = f"{number}.mp4"
        write_video(tmp_path / name, [np.full((SIDE, SIDE, 3), grey, np.uint8)] * FRAMES, crf=1)
        write_audio(tmp_path / f"{number}.wav", np.full(samples, 8000, np.int16))
        part = {"first_frame": 0, "n_frames": 0} | options.get("part", {})
        rows.append(
            ClipRow(f"d/{speaker}/none/0/{number}", "d", speaker, "", 0, str(number), name, f"{number}.wav", **part)
        )
    manifest.write(rows, run.paths.manifest)
    section = config.DatasetSection(kind="folder", root=str(tmp_path), crop=options.get("crop", "anchor"), size=64)
    stage.crop(run, section)
    return manifest.read(run.paths.cropped)


def test_clips_of_a_speaker_have_the_median_size(run, tmp_path, monkeypatch):
    """Distances of nose and mouth 5, 6, 10 and 7 pixels: half-sides 2.625 times the medians 6 and 7."""
    cuts = []
    original = stage.cut
    monkeypatch.setattr(
        stage, "cut", lambda frames, square, size: cuts.append(square) or original(frames, square, size)
    )
    sound = FRAMES * SAMPLES_PER_FRAME
    written = prepare(run, tmp_path, [("a", 50, sound), ("a", 100, sound), ("a", 60, sound), ("b", 70, sound)])
    assert [row.speaker for row in written] == ["a", "a", "a", "b"]
    assert [square.half for square in cuts] == pytest.approx([2.625 * 6] * 3 + [2.625 * 7], rel=0.03)
    assert [(square.x, square.y) for square in cuts] == [(SIDE / 2, SIDE / 2)] * 4


@pytest.mark.parametrize("missing", [0, 3])
def test_short_sound_ends_in_silence_and_long_sound_is_cut(run, tmp_path, missing):
    samples = (FRAMES - missing) * SAMPLES_PER_FRAME if missing else (FRAMES + 9) * SAMPLES_PER_FRAME
    (row,) = prepare(run, tmp_path, [("a", 50, samples)], crop="full")
    path = run.paths.crops / row.video_path
    sound = np.abs(read_audio(path).astype(int))
    assert Video(path).info.frames == row.n_frames == FRAMES
    assert len(sound) <= (FRAMES + 2) * SAMPLES_PER_FRAME  # coding adds up to two
    assert np.median(sound[: 2 * SAMPLES_PER_FRAME]) > 4000
    end = np.median(sound[(FRAMES - 2) * SAMPLES_PER_FRAME : FRAMES * SAMPLES_PER_FRAME])
    assert end < 100 if missing else end > 4000


def test_a_part_of_a_clip_takes_its_own_frames_and_sound(run, tmp_path):
    write_video(tmp_path / "0.mp4", [np.full((SIDE, SIDE, 3), 20 * n, np.uint8) for n in range(FRAMES)], crf=1)
    heard = np.repeat(np.arange(FRAMES) % 2 * 8000, SAMPLES_PER_FRAME).astype(np.int16)
    heard[6 * SAMPLES_PER_FRAME :] = 0
    write_audio(tmp_path / "0.wav", heard)
    row = ClipRow("d/a/none/0/0", "d", "a", "", 0, "0", "0.mp4", "0.wav", first_frame=3, n_frames=4)
    manifest.write([row], run.paths.manifest)
    stage.crop(run, config.DatasetSection(kind="folder", root=str(tmp_path), crop="full", size=64))
    (cropped,) = manifest.read(run.paths.cropped)
    assert (cropped.first_frame, cropped.n_frames) == (0, 4)
    frames = list(Video(run.paths.crops / cropped.video_path))
    assert [frame.mean() for frame in frames] == pytest.approx([60, 80, 100, 120], abs=4)
    levels = np.abs(read_audio(run.paths.crops / cropped.video_path)[: 4 * SAMPLES_PER_FRAME].astype(int))
    assert [part.mean() > 2000 for part in np.split(levels, 4)] == [True, False, True, False]
