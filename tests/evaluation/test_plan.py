"""What a plan decides: frames for FID, groups of work, and what controls show."""

import dataclasses

import numpy as np
import pytest

from gmbench.errors import InputError
from gmbench.evaluation.planning import plan


def with_references(world, *frames):
    for number, count in enumerate(frames):
        world.add("ours", f"S/{number}", 2)
        world.add("reference", f"S/{number}", count)


@pytest.mark.parametrize(("limit", "frames"), [(12, 0), (11, 5), (3, 1), (1, 1)])
def test_a_large_set_gives_fid_the_same_number_of_frames_of_each_clip(world, monkeypatch, limit, frames):
    """12 frames of two references: all where the limit allows, else its half of each, at least one."""
    with_references(world, 7, 5)
    monkeypatch.setattr(plan, "FID_FRAMES", limit)
    assert world.plan(["fid"]).protocol.fid_frames == frames
    assert world.plan(["emo_prob"]).protocol.fid_frames == 0


def test_the_limit_of_fid_is_fifty_thousand_frames(world, monkeypatch):
    from gmbench.media import Video

    assert plan.FID_FRAMES == 50_000
    with_references(world, 2, 2)
    counts = iter([25_000, 25_000, 25_000, 25_001])
    monkeypatch.setattr(plan.media, "Video", lambda path: FakeVideo(Video(path), next(counts)))
    assert world.plan(["fid"]).protocol.fid_frames == 0
    limited = world.plan(["fid"]).protocol
    assert limited.fid_frames == 25_000
    assert limited.hash != world_hash(limited)


def world_hash(protocol):
    return protocol.model_copy(update={"fid_frames": 0}).hash


class FakeVideo:
    """A video that says that it has many frames."""

    def __init__(self, video, frames):
        self.info = dataclasses.replace(video.info, frames=frames)


def test_what_was_asked_for_is_not_changed(world, monkeypatch):
    with_references(world, 7, 5)
    monkeypatch.setattr(plan, "FID_FRAMES", 3)
    assert world.plan(["fid"], fid_frames=4).protocol.fid_frames == 4


def test_a_repeated_reference_counts_once(world, monkeypatch):
    with_references(world, 7, 5)
    monkeypatch.setattr(plan, "FID_FRAMES", 12)
    assert world.plan(["fid"], controls=["ground_truth", "still"]).protocol.fid_frames == 0


def test_features_of_references_only_where_a_metric_compares(world):
    world.pair("S/happy")
    (group,) = world.plan(["emo_prob", "f_sim"]).groups(world.folder / "store", 4)
    assert [f.name for f in group.clip_features] == ["emotion", "identity"]
    assert [f.name for f in group.reference_features] == ["identity"]
    assert (group.batch, group.landmarks, group.audio) == (4, False, False)


def test_clips_of_one_reference_share_a_group(world):
    sound = np.zeros(6 * 640, np.int16)
    for name in ("S/0", "S/1"):
        world.pair(name, sound=sound)
    groups = world.plan(["psnr"], controls=["ground_truth", "blur"]).groups(world.folder / "store", 4)
    assert sorted(len(group.candidates) for group in groups) == [3, 3]
    assert all(group.reference is not None for group in groups)


def test_controls_show_and_play_what_their_names_say(world):
    sounds = [np.full(6 * 640, level, np.int16) for level in (100, 200, 300)]
    for clip, sound in zip(("A/happy_1", "A/sad_1", "B/happy_1"), sounds, strict=True):
        world.add("ours", clip)
        world.add("reference", clip, sound=sound)
    names = ["ground_truth", "still", "blur", "reencode", "late_audio", "shuffled_audio", "wrong_emotion"]
    planned = world.plan(["ba_m2a"], controls=names)
    of = {(clip.method, clip.clip): clip for clip in planned.clips}
    real = {clip.clip: clip.reference for clip in planned.clips if clip.method == "ground_truth"}
    for clip, reference in real.items():
        assert of["ground_truth", clip].generated == reference
        assert of["still", clip].generated == dataclasses.replace(reference, video_change="still")
        assert of["blur", clip].generated == dataclasses.replace(reference, video_change="blur:2")
        coded = dataclasses.replace(reference, video_change="reencode:28", audio_change="aac:64")
        assert of["reencode", clip].generated == coded
        assert of["late_audio", clip].generated == dataclasses.replace(reference, audio_change="late:10")
    following = {"A/happy_1": "A/sad_1", "A/sad_1": "B/happy_1", "B/happy_1": "A/happy_1"}
    for clip, other in following.items():
        shuffled = of["shuffled_audio", clip].generated
        assert (shuffled.video, shuffled.audio) == (real[clip].video, real[other].audio)
    shown = {clip: of["wrong_emotion", clip].generated for clip in real}
    assert (shown["A/happy_1"].video, shown["A/happy_1"].audio) == (real["A/sad_1"].video, real["A/happy_1"].audio)
    assert shown["A/sad_1"].video == real["A/happy_1"].video
    assert shown["B/happy_1"].video is None
    assert shown["B/happy_1"].absent


def test_a_method_with_the_name_of_a_control_and_an_empty_plan(world):
    world.pair("S/a")
    (world.folder / "ours").rename(world.folder / "still")
    given = plan_inputs(world)
    with pytest.raises(InputError, match="rename the method"):
        plan.make_plan(given.methods, "d", plan_protocol(), [], ["still"], given.references)
    with pytest.raises(InputError, match="nothing to evaluate"):
        plan.make_plan({}, "d", plan_protocol(), [])


def plan_inputs(world):
    from gmbench.evaluation.planning import inputs

    return inputs.gather([str(world.folder / "still")], reference=world.folder / "reference")


def plan_protocol():
    from tests.evaluation.helpers import protocol

    return protocol()
