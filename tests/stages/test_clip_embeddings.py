"""How apart emotions lie in what a system reads of clips."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gmbench.datasets import manifest
from gmbench.media import SAMPLES_PER_FRAME, write_video
from gmbench.methods import registry
from gmbench.methods.gmtalker.method import GMTalker
from gmbench.methods.interface import MissingInput
from gmbench.methods.registry import System
from gmbench.metrics.latents import clustering_strength
from gmbench.stages.clip_embeddings import emotion_spaces, expression_space, measure_clusters
from tests.stages.two_clips import FRAMES, SIDE, rows

CLIPS = [
    replace(row, clip_id=f"d/S/{row.emotion}/1/{n}", sentence=str(n), video_path=f"{row.emotion}{n}.mp4")
    for row in rows() for n in range(3)
]  # fmt: skip


class Embedding(GMTalker):
    """Reads the emotion off a clip's name: from its face well, from its sound badly; of one clip nothing."""

    modalities = ("sound", "face")
    missing = CLIPS[5].clip_id

    def load(self, checkpoint_dir):
        self.speakers, self.emotions = ["S"], ["happy", "sad"]

    def embed_emotion(self, request):
        raise NotImplementedError

    def embed_clip(self, reference, modality):
        if reference.clip_id == self.missing:
            raise MissingInput("not fitted")
        return _vector(reference.clip_id, 5.0 if modality == "face" else 1.0)


def _vector(clip, apart):
    spread = np.random.default_rng(int(clip[-1])).normal(size=4)
    return (spread + apart * ("happy" in clip)).astype(np.float32)


@pytest.fixture
def run(run_of_all_clips):
    paths = run_of_all_clips.paths
    manifest.write(CLIPS, paths.cropped)
    for row in CLIPS:
        grey = [np.full((SIDE, SIDE, 3), 90, np.uint8)] * FRAMES
        write_video(paths.crops / row.video_path, grey, np.zeros(FRAMES * SAMPLES_PER_FRAME, np.int16))
    (paths.work / "fit.json").write_text(json.dumps({"per_clip": [{"clip": row.clip_id} for row in CLIPS]}))
    return run_of_all_clips


def test_strength_by_what_is_read_and_seed(run, monkeypatch):
    monkeypatch.setattr(registry, "create", lambda name: Embedding())
    table = measure_clusters(run, [System.parse("gmtalker"), System.parse("gmtalker-s2")])
    values = dict(zip(table["method"], table["value"], strict=True))
    assert set(values) == {"sound-s0", "face-s0", "sound-s2", "face-s2"}
    kept = [row for row in CLIPS if row.clip_id != Embedding.missing]
    vectors, emotions = np.stack([_vector(row.clip_id, 5.0) for row in kept]), [row.emotion for row in kept]
    expected = np.mean(list(clustering_strength(vectors.astype(np.float64), emotions).values()))
    assert values["face-s0"] == pytest.approx(expected)
    assert values["face-s0"] > values["sound-s0"] > 0


def test_one_clip_of_an_emotion_has_no_value(run, monkeypatch):
    manifest.write([CLIPS[0], CLIPS[3]], run.paths.cropped)
    monkeypatch.setattr(registry, "create", lambda name: Embedding())
    table = measure_clusters(run, [System.parse("gmtalker")])
    assert set(table["status"]) == {"undefined"}
    assert set(table["reason"]) == {"nobody has two clips of one emotion and clips of another"}


def test_an_emotion_of_a_single_clip_takes_no_part(run, monkeypatch):
    monkeypatch.setattr(registry, "create", lambda name: Embedding())
    manifest.write(CLIPS[:4], run.paths.cropped)
    values = measure_clusters(run, [System.parse("gmtalker")])["value"]
    kept = np.stack([_vector(row.clip_id, 5.0) for row in CLIPS[:4]]).astype(np.float64)
    strengths = clustering_strength(kept, [row.emotion for row in CLIPS[:4]])
    assert sorted(np.isfinite(list(strengths.values()))) == [False, True]
    assert max(values) == pytest.approx(np.nanmean(list(strengths.values())))


def test_methods_that_read_nothing_have_no_spaces(run):
    class Plain:
        card = registry.create("gmtalker").card

    assert emotion_spaces(run, Plain()) == {}
    assert expression_space(run, Plain()) is None
