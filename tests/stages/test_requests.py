"""What systems are asked for: source image, reference clip, and what their keys are made of."""

from dataclasses import replace

import numpy as np
import pytest

from gmbench.config import DatasetSection
from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import MediaError
from gmbench.media import SAMPLES_PER_FRAME, write_video
from gmbench.methods.card import LABEL, POSE, REFERENCE, VIDEO, MethodCard
from gmbench.methods.interface import MissingInput
from gmbench.morphable import coefficient_io
from gmbench.shards import write as write_shard
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import write_json
from gmbench.stages.requests import (
    PreparedClip,
    RequestInputs,
    build_request,
    cut_audio,
    emotion_from,
    inputs_digest,
    reference_clip,
    source_clip,
    transcripts,
)
from gmbench.stages.train import checkpoint_digest


def row(speaker, emotion, sentence="001", level=3, split="train"):
    clip = f"d/{speaker}/{emotion}/{level}/{sentence}"
    return ClipRow(clip, "d", speaker, emotion, level, sentence, f"{clip.replace('/', '_')}.mp4", "", split=split)


ROWS = [
    row("A", "neutral", "002", 1), row("A", "neutral", "001", 1), row("A", "neutral", "000", 1, "test"),
    row("A", "happy", "001", 1), row("A", "happy", "001", 3), row("A", "happy", "002", 3),
    row("A", "happy", "003", 3, "test"),
    row("B", "happy", "001"), row("B", "sad", "001"),
]  # fmt: skip
SCORED = ROWS[6]


class TestRules:
    def test_the_source_is_the_first_neutral_training_clip_of_the_speaker(self):
        assert source_clip(SCORED, ROWS) == ROWS[1]
        assert source_clip(ROWS[2], ROWS) == ROWS[1], "never a test clip"
        assert source_clip(ROWS[7], ROWS) == ROWS[7], "the scored clip itself where no neutral one is"

    def test_the_reference_has_the_emotion_at_its_highest_level(self):
        chosen = reference_clip(SCORED, ROWS, "same")
        assert chosen in (ROWS[4], ROWS[5])
        assert chosen == reference_clip(SCORED, ROWS[::-1], "same"), "the order of the rows does not matter"
        assert reference_clip(SCORED, ROWS, "other") == ROWS[7]
        assert reference_clip(SCORED, ROWS, "own") == SCORED
        assert reference_clip(row("B", "sad", "009", split="test"), ROWS, "other") is None
        assert reference_clip(ROWS[5], ROWS, "same") == ROWS[4], "another clip than the scored one"

    def test_the_hash_of_the_name_spreads_the_choice(self):
        many = [row("A", "happy", f"{n:03d}") for n in range(8)]
        scored = [row("A", "happy", f"t{n}", split="test") for n in range(40)]
        assert len({reference_clip(one, many, "same").clip_id for one in scored}) > 4

    def test_what_gives_the_emotion(self):
        card = _card(drives=(POSE, REFERENCE, LABEL, VIDEO))
        given = {drive: emotion_from(card, drive) for drive in ((), ("pose",), ("reference",), ("label",), ("video",))}
        assert list(given.values()) == ["audio", "audio", "video", "label", "none"]

    def test_words_stand_beside_the_raw_video(self, tmp_path):
        paths = DatasetPaths("d", tmp_path / "work")
        manifest.write([replace(SCORED, video_path="A/one.mp4"), ROWS[0]], paths.manifest)
        (tmp_path / "A").mkdir()
        (tmp_path / "A" / "one.txt").write_text("she had it\n")
        found = transcripts(paths, DatasetSection(kind="folder", root=str(tmp_path)))
        assert found == {SCORED.clip_id: "she had it"}

    def test_sound_is_cut_to_the_frames(self):
        assert len(cut_audio(np.zeros(SAMPLES_PER_FRAME * 11, np.int16), 10, "clip")) == SAMPLES_PER_FRAME * 10
        with pytest.raises(MediaError, match="clip: 0 samples of sound for 10 frames"):
            cut_audio(np.zeros(0, np.int16), 10, "clip")


def _card(**more):
    facts = {"emotion_sources": ("audio", "label", "video"), "default_source": "audio"} | more
    return MethodCard("x", "X", "trainable", pose="generate", eye="none", emotion="generate", **facts)


@pytest.fixture
def clips(tmp_path):
    """Two clips with videos of other brightness, and coefficients."""
    tracks = {"beta": np.ones((10, 169), np.float32), "rho": np.full((10, 12), 2, np.float32)}
    more = {
        "light": np.zeros((10, 27)),
        "lm_rmse": np.zeros(10),
        "valid": np.ones(10, bool),
        "segment": np.zeros(10, int),
    }
    write_shard(tmp_path, "A", [(r.clip_id, tracks | more) for r in (ROWS[1], SCORED)])
    found = {}
    for shade, one in ((50, ROWS[1]), (200, SCORED)):
        path = tmp_path / one.video_path
        write_video(path, np.full((10, 32, 32, 3), shade, np.uint8), np.zeros(6400, np.int16))
        found[one.clip_id] = PreparedClip(one, path, tmp_path)
    return found[ROWS[1].clip_id], found[SCORED.clip_id]


class TestRequests:
    def test_drives_fill_the_request(self, clips):
        other, scored = clips
        card = _card(drives=(POSE, REFERENCE, LABEL, VIDEO), drive_combinations=("pose-reference",))
        plain = build_request(card, RequestInputs(scored, other, None, False, "words", ()), 7)
        assert (plain.seed, plain.transcript, plain.frames) == (7, "words", 10)
        assert plain.emotion.kind == "none"
        assert plain.motion is plain.drivers is plain.reference is plain.temperature is None
        assert abs(int(plain.source_image.mean()) - 50) < 5
        assert plain.source_expression.tolist() == [1] * 169
        assert plain.source_motion.tolist() == [2] * 12
        both = build_request(card, RequestInputs(scored, other, other, True, "", ("pose", "reference")), 7)
        assert both.emotion.clip == other.video
        assert both.reference.clip_id == other.row.clip_id
        assert both.reference.motion.shape == (10, 12)
        assert both.motion.shape == (10, 12)
        assert (both.drivers.pose, both.drivers.mouth, both.temperature) == (scored.video, None, 0.0)
        video = build_request(card, RequestInputs(scored, other, None, False, "", ("video",)), 7, frames=4)
        assert video.drivers.mouth == video.drivers.pose == video.drivers.expression == scored.video
        assert video.frames == 4
        label = build_request(card, RequestInputs(scored, other, None, False, "", ("label",)), 7)
        assert label.emotion.weights == {"happy": 1.0}

    def test_a_source_that_was_not_fitted_has_no_coefficients(self, clips, tmp_path):
        other, scored = clips
        unfitted = replace(other, coefficients=tmp_path / "none")
        request = build_request(_card(), RequestInputs(scored, unfitted, None, False, "", ()), 7)
        assert request.source_image is not None
        assert request.source_expression is request.source_motion is None
        tracks = {"beta": np.ones((10, 169), np.float32), "rho": np.ones((10, 12), np.float32)}
        hidden = tracks | {"segment": np.r_[-1, np.zeros(9, int)]}
        write_shard(tmp_path / "hidden", "A", [(other.row.clip_id, hidden)])
        faceless = replace(other, coefficients=tmp_path / "hidden")
        request = build_request(_card(), RequestInputs(scored, faceless, None, False, "", ()), 7)
        assert request.source_expression is None, "the first frame shows no face"

    def test_a_reference_that_is_not_there_is_named(self, clips):
        inputs = RequestInputs(clips[1], clips[0], None, True, "", ("reference",))
        with pytest.raises(MissingInput, match="no training clip shows its emotion 'happy'"):
            build_request(_card(drives=(REFERENCE,)), inputs, 0)

    def test_the_key_names_all_that_the_request_is_made_of(self, clips):
        other, scored = clips
        plain = RequestInputs(scored, other, None, False, "", ())
        changed = [
            replace(plain, source=scored), replace(plain, source=None), replace(plain, transcript="words"),
            replace(plain, reference=other, reference_wanted=True),
            replace(plain, reference=scored, reference_wanted=True),
            replace(plain, drives=("pose",)), replace(plain, clip=other),
            replace(plain, source=replace(other, coefficients=other.coefficients / "others")),
        ]  # fmt: skip
        digests = [inputs_digest(inputs) for inputs in (plain, *changed)]
        assert len(set(digests)) == len(digests)
        write_video(other.video, np.full((10, 32, 32, 3), 90, np.uint8), np.zeros(6400, np.int16))
        assert inputs_digest(plain) != digests[0], "another source image of the same name"

    def test_coefficients_that_change_change_the_key(self, clips):
        plain = RequestInputs(clips[1], None, None, False, "", ("pose",))
        before = inputs_digest(plain)
        track = coefficient_io.read(clips[1].coefficients, "A", SCORED.clip_id)
        write_shard(clips[1].coefficients, "A", [(SCORED.clip_id, track | {"rho": track["rho"] + 1})])
        assert inputs_digest(plain) != before


@pytest.mark.parametrize("name", ["weights.npz", "weights.pt", "parts/decoder.onnx", "weights.safetensors"])
def test_the_digest_of_checkpoints_sees_every_kind_of_file(tmp_path, name):
    (tmp_path / "parts").mkdir()
    (tmp_path / name).write_bytes(b"first")
    write_json(tmp_path / "card.json", {"system": "x", "checkpoints": {name: "…"}})
    first = checkpoint_digest(tmp_path)
    (tmp_path / "losses").mkdir()
    (tmp_path / "losses" / "x.tsv").write_text("step\n")
    assert checkpoint_digest(tmp_path) == first
    (tmp_path / name).write_bytes(b"again")
    assert checkpoint_digest(tmp_path) != first
    write_json(tmp_path / "card.json", {"system": "x"})  # of before cards listed them: all files
    listed = checkpoint_digest(tmp_path)
    (tmp_path / name).write_bytes(b"third")
    assert checkpoint_digest(tmp_path) != listed
