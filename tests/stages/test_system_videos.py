"""Videos of trained systems, with a method that notes what it is asked for."""

import numpy as np
import pytest

from gmbench.errors import InputError
from gmbench.media import Video
from gmbench.methods import registry
from gmbench.methods.gmtalker.method import GMTalker
from gmbench.methods.interface import GenResult
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.system_videos import generate_with_system
from gmbench.store import Store
from tests.stages.two_clips import FRAMES, SIDE, rows


class Noting(GMTalker):
    """Shows a grey that the seed decides."""

    def __init__(self, requests):
        self.requests = requests

    def load(self, checkpoint_dir):
        self.speakers, self.emotions = ["S"], ["happy", "sad"]

    def generate(self, request):
        self.requests.append(request)
        grey = np.full((64, 64, 3), request.seed % 200, np.uint8)
        return GenResult(iter([grey] * request.frames))


@pytest.fixture
def requests(monkeypatch):
    found = []
    monkeypatch.setattr(registry, "create", lambda name: Noting(found))
    return found


@pytest.fixture
def run(run_of_two_clips):
    return run_of_two_clips


def seeds(run, requests, system):
    requests.clear()
    failures, frames_a_second = generate_with_system(run, system, rows())
    assert failures == {}
    assert frames_a_second > 0
    return {request.clip_id: request.seed for request in requests}


def test_a_systems_seed_is_used_in_generation(run, requests):
    """Two systems of the same weights and another seed ask for other videos, of every clip."""
    first, second = (seeds(run, requests, name) for name in ("gmtalker", "gmtalker-s2"))
    assert first.keys() == second.keys() == {row.clip_id for row in rows()}
    assert len({*first.values(), *second.values()}) == 4
    changed = run.params.model_copy(update={"seed": run.params.seed + 2})
    other = PipelineRun(changed, run.paths, Store(run.paths.work / "other"), quiet=True)
    assert seeds(other, requests, "gmtalker") == second  # the run's seed and the system's are added


def test_requests_say_what_the_clip_says(run, requests):
    generate_with_system(run, "gmtalker", rows())
    assert [(r.clip_id, dict(r.emotion.weights), r.speaker, r.frames) for r in requests] == [
        ("d/S/happy/1/0", {"happy": 1.0}, "S", FRAMES), ("d/S/sad/1/0", {"sad": 1.0}, "S", FRAMES),
    ]  # fmt: skip
    assert all(r.motion is None and r.expression is None for r in requests)
    for row, request in zip(rows(), requests, strict=True):
        video = Video(run.paths.videos("gmtalker") / row.video_path)
        assert (video.info.frames, video.info.width) == (FRAMES, SIDE)  # at the side of the reference
        assert next(iter(video)).mean() == pytest.approx(request.seed % 200, abs=4)


def test_what_is_in_the_store_is_not_generated_again_until_the_weights_change(run, requests):
    generate_with_system(run, "gmtalker", rows())
    requests.clear()
    generate_with_system(run, "gmtalker", rows())
    assert requests == []
    (run.paths.work_root.parent / "models/d/gmtalker/gmeg.safetensors").write_bytes(b"other weights")
    generate_with_system(run, "gmtalker", rows())
    assert len(requests) == 2


def test_a_system_that_is_not_trained_is_named(run, requests):
    with pytest.raises(InputError, match="gmtalker-s9"):
        generate_with_system(run, "gmtalker-s9", rows())
