"""The draw of clips from a large dataset."""

import json
from collections import Counter

import pytest
import yaml

from gmbench import config
from gmbench.datasets import manifest, readers
from gmbench.datasets.manifest import TEST, TRAIN, ClipRow
from gmbench.datasets.selection import Selection, select
from gmbench.errors import InputError
from gmbench.stages.ingest import ingest
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.store import Store
from tests.datasets import trees


def _rows(videos=30, clips=20):
    return [
        ClipRow(f"v/{video}/{n}", "v", f"id{video % 7}", "", 0, str(n), f"mp4/{video}/{n:05d}.mp4", "",
                split=TEST if video % 10 == 0 else TRAIN)
        for video in range(videos) for n in range(clips)
    ]  # fmt: skip


def test_at_most_so_many_in_all_and_of_a_folder_from_one_split():
    chosen = select(_rows(), Selection(clips=200, per_folder=10))
    folders = Counter(row.video_path.rpartition("/")[0] for row in chosen)
    assert len(chosen) == 200
    assert max(folders.values()) == 10
    assert len(folders) == 27  # 27 of 30 videos are of the split; 200 clips of 270 reach all of them
    assert {row.split for row in chosen} == {TRAIN}
    assert len(select(_rows(), Selection(clips=900, per_folder=10))) == 270
    assert {row.split for row in select(_rows(), Selection(clips=600, split=""))} == {TRAIN, TEST}


def test_the_draw_depends_on_its_seed_and_not_on_the_order_of_the_files():
    rows = _rows()
    chosen = select(rows, Selection(clips=50, per_folder=3))
    assert [row.clip_id for row in chosen] == [row.clip_id for row in rows if row in chosen]
    assert {row.clip_id for row in select(rows[::-1], Selection(clips=50, per_folder=3))} == {r.clip_id for r in chosen}
    assert select(rows, Selection(clips=50, per_folder=3, seed=1)) != chosen
    without = [row for row in rows if row is not chosen[0]]
    assert len({row.clip_id for row in chosen} & {r.clip_id for r in select(without, Selection(50, 3))}) >= 48


def test_clips_that_are_not_drawn_are_not_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    video, sound = trees.clip(tmp_path), trees.voice(tmp_path / "voice.m4a")
    for n in range(8):
        trees.put(video, tmp_path / f"raw/dev/mp4/id00001/v{n % 2}/{n:05d}.mp4")
        trees.put(sound, tmp_path / f"raw/dev/aac/id00001/v{n % 2}/{n:05d}.m4a")
    rows = readers.read("voxceleb2", tmp_path / "raw").rows
    chosen = {row.video_path for row in select(rows, Selection(clips=3, per_folder=2))}
    for row in rows:
        if row.video_path not in chosen:
            (tmp_path / "raw" / row.video_path).write_bytes(b"damaged")
    section = config.DatasetSection(kind="voxceleb2", root="raw", selection={"clips": 3, "per_folder": 2})
    params = config.Params.model_validate(yaml.safe_load(config.profiles()["paper"]))
    run = PipelineRun(params.model_copy(update={"workers": 1}), DatasetPaths("vox"), Store(tmp_path / "s"), quiet=True)
    ingest(run, section)
    assert {row.video_path for row in manifest.read(run.paths.manifest)} == chosen
    report = json.loads((run.paths.work / "ingest.json").read_text())
    assert (report["clips"], report["listed"], report["problems"]) == (3, 8, {})


def test_sounds_are_not_looked_for_inside_a_million_videos(tmp_path, monkeypatch):
    monkeypatch.setattr("gmbench.datasets.voxceleb2.has_audio", lambda path: pytest.fail("opened"))
    trees.put(trees.clip(tmp_path), tmp_path / "raw/mp4/id00001/abc/00001.mp4")
    assert len(readers.read("voxceleb2", tmp_path / "raw").rows) == 1


def test_the_papers_selection_is_twenty_thousand_clips_ten_a_video(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    section = config.Params.model_validate(yaml.safe_load(config.profiles()["paper"])).datasets["voxceleb2"]
    assert section.selection.model_dump() == {"clips": 20_000, "per_folder": 10, "split": "train", "seed": 0}
    with pytest.raises(
        InputError, match=r"datasets.voxceleb2.selection.per_video: unknown key; did you mean per_folder"
    ):
        _load(per_video=10)


def _load(**selection):
    params = yaml.safe_load(config.profiles()["paper"])
    params["datasets"]["voxceleb2"]["selection"] |= selection
    config.FILE.write_text(yaml.safe_dump(params))
    return config.load()
