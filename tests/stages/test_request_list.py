"""The list of what an outside method is asked for, and what is evaluated by it."""

import csv
from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml

from gmbench import config
from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.evaluation.planning.inputs import gather
from gmbench.media import SAMPLES_PER_FRAME, Video, read_audio, write_video
from gmbench.stages import request_list

FRAMES, SIDE, LOUDNESS = 8, 32, 500
SHADES = {"neutral": 40, "happy": 120, "sad": 220}


def clip(emotion, sentence, split):
    name = f"d_S_{emotion}_2_{sentence}.mp4"
    return ClipRow(f"d/S/{emotion}/2/{sentence}", "d", "S", emotion, 2, sentence, name, "", 0, FRAMES, split)


ROWS = [
    clip("neutral", "1", "train"),
    clip("happy", "1", "train"),
    clip("happy", "2", "test"),
    clip("sad", "2", "test"),
]


@pytest.fixture
def run(run_of_two_clips):
    """Two test clips and two for training, each in a shade of its own."""
    paths = run_of_two_clips.paths
    manifest.write(ROWS, paths.cropped)
    for row in ROWS:
        shade = np.full((SIDE, SIDE, 3), SHADES[row.emotion], np.uint8)
        sound = np.full((FRAMES + 1) * SAMPLES_PER_FRAME, LOUDNESS, np.int16)  # coding pads
        write_video(paths.crops / row.video_path, [shade] * FRAMES, sound)
    return run_of_two_clips


def test_a_request_names_all_that_a_method_needs(run, tmp_path):
    happy, sad = request_list.write(run, tmp_path / "asked")
    assert (happy.clip, happy.generated) == ("d_S_happy_2_2", "videos/d_S_happy_2_2.mp4")
    assert (happy.speaker, happy.emotion, happy.level) == ("S", "happy", 2)
    assert (happy.frames, happy.fps, happy.width, happy.height) == (FRAMES, 25, SIDE, SIDE)
    speech = read_audio(tmp_path / "asked" / happy.speech)
    assert len(speech) == FRAMES * SAMPLES_PER_FRAME, "as long as the picture"
    assert np.median(speech) == pytest.approx(LOUDNESS, abs=50)
    source = cv2.imread(str(tmp_path / "asked" / happy.source))
    assert source.mean() == pytest.approx(SHADES["neutral"], abs=3), "of a training clip, not of the scored one"
    assert sad.source == happy.source, "one picture of a speaker for all"
    shown = tmp_path / "asked" / happy.emotion_clip
    assert shown.read_bytes() == (run.paths.crops / ROWS[1].video_path).read_bytes()
    assert sad.emotion_clip == "", "no training clip is sad"


def test_the_list_is_a_table_of_pairs(run, tmp_path):
    asked = tmp_path / "asked"
    first, second = request_list.write(run, asked)
    made = asked / first.generated
    write_video(made, [np.full((SIDE, SIDE, 3), 7, np.uint8)] * FRAMES)
    inputs = gather([], ["mine"], pairs=asked / request_list.FILE, dataset="d")
    pairs = inputs.methods["mine"]
    assert [(pair.clip, pair.speaker, pair.emotion) for pair in pairs] == [
        (r.clip, r.speaker, r.emotion) for r in (first, second)
    ]
    assert pairs[0].generated.video.samefile(made)
    assert all(pair.reference.video.resolve().parent == run.paths.crops.resolve() for pair in pairs)
    assert Video(pairs[0].reference.video).info.frames == first.frames
    assert [note for note in inputs.warnings if "column" in note] == [], "no column looks like a misspelt one"


def test_a_second_list_has_the_pictures_of_its_own_clips(run, tmp_path):
    first, _ = request_list.write(run, tmp_path)
    shade = np.full((SIDE, SIDE, 3), 90, np.uint8)
    write_video(run.paths.crops / ROWS[0].video_path, [shade] * FRAMES)
    request_list.write(run, tmp_path)
    assert cv2.imread(str(tmp_path / first.source)).mean() == pytest.approx(90, abs=3)


def test_the_command_that_judges_asks_for_the_pipelines_metrics(run):
    evaluation = run.params.evaluation.model_copy(update={"metrics": ("default", "emo_neutral")})
    asked = replace(run, params=run.params.model_copy(update={"evaluation": evaluation}))
    options = request_list.evaluation_options(asked)
    assert options[options.index("--metrics") + 1] == "default,emo_neutral"


def test_a_dataset_that_no_options_judge_alike_is_refused(run):
    section = run.params.datasets["d"].model_copy(update={"kind": "crema_d", "extractors": "official"})
    other = replace(run, params=run.params.model_copy(update={"datasets": {"d": section}}))
    with pytest.raises(InputError, match="d: its emotion network is not that of protocol"):
        request_list.evaluation_options(other)


def test_nothing_is_written_where_the_list_is_only_shown(run, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert [r.clip for r in request_list.requests(run, tmp_path / "asked")] == ["d_S_happy_2_2", "d_S_sad_2_2"]
    assert sorted(tmp_path.rglob("*")) == before


def test_without_prepared_clips_the_command_says_what_to_run(run):
    run.paths.cropped.unlink()
    with pytest.raises(InputError, match="'dvc repro' first"):
        request_list.requests(run, run.paths.work)


def test_the_command_writes_the_list_and_says_how_to_go_on(run, tmp_path, call):
    params = run.params.model_copy(update={"evaluate": ("d",)})
    config.FILE.write_text(yaml.safe_dump(params.model_dump(mode="json")))
    code, out, err = call("data", "requests")
    assert (code, "d_S_sad_2_2" in out, "--out FOLDER" in err) == (0, True, True)
    code, _, err = call("data", "requests", "--out", "asked")
    assert code == 0
    with (tmp_path / "asked" / request_list.FILE).open(newline="") as file:
        assert [row["generated"] for row in csv.DictReader(file)] == [
            "videos/d_S_happy_2_2.mp4", "videos/d_S_sad_2_2.mp4",
        ]  # fmt: skip
    assert "gmbench eval --pairs asked/requests.csv --method NAME --dataset d --protocol full" in err
