"""What other packages bring: the examples, installed from their files, and plug-ins that fail."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from gmbench import config, plugins
from gmbench.commands import app
from gmbench.corpus.sketch import write_sketches
from gmbench.datasets import readers
from gmbench.errors import InputError
from gmbench.evaluation import protocol
from gmbench.evaluation.extraction.extractors import EXTRACTORS
from gmbench.evaluation.scoring.registry import METRICS
from gmbench.face.landmarks import BACKENDS
from tests.packages import install

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
REGISTRIES = (METRICS, EXTRACTORS, BACKENDS, readers.DATASETS)
BROKEN = """
import contextlib
import dataclasses
import sys

import numpy as np

from gmbench.datasets.readers import Dataset
from gmbench.errors import WeightsError
from gmbench.evaluation.extraction.extractors import ExtractorSpec
from gmbench.evaluation.extraction.features import ClipFeature, FrameFeature, PairFeature
from gmbench.evaluation.scoring.metric import Metric, Score
from gmbench.evaluation.scoring.registry import METRICS
from gmbench.face.landmarks import LandmarkBackend
from gmbench.weights import Weights


def fail(*arguments):
    raise RuntimeError("broken on purpose")


def build(protocol):
    return ClipFeature("bad_extractor", 1, fail)


def lose_weights(context):
    raise WeightsError("broken on purpose")


def build_without_weights(protocol):
    return ClipFeature("bad_weights", 1, lose_weights)


def metric(name, **changes):
    psnr = METRICS.built_in["psnr"]
    spec = dataclasses.replace(psnr.spec, name=name, default=False)
    return dataclasses.replace(psnr, spec=spec, **changes)


DUPLICATE = metric("psnr")
BAD_SCORE = metric("bad_score", score=fail)
BAD_VALUE = metric("bad_value", score=lambda clip: Score(float("nan"), 1, 1))
BAD_FRAME = FrameFeature("bad_frame", 1, fail)
BAD_FRAMES = metric("bad_frames", score=lambda clip: clip.generated.per_frame(BAD_FRAME), frame_features=(BAD_FRAME,))
BAD_PAIR = PairFeature("bad_pair", 1, fail)
BAD_PAIRS = metric("bad_pairs", score=lambda clip: clip.pair(BAD_PAIR), pair_features=(BAD_PAIR,))
def leave(frame):
    sys.exit("bye")


def lose_file(frame):
    raise WeightsError("broken on purpose")


LEAVING = FrameFeature("leaving", 1, leave)
FILELESS = FrameFeature("fileless", 1, lose_file)
LEAVES = metric("leaves", score=lambda clip: clip.generated.per_frame(LEAVING), frame_features=(LEAVING,))
LOSES_FILE = metric("loses_file", score=lambda clip: clip.generated.per_frame(FILELESS), frame_features=(FILELESS,))
NO_SCORE = metric("no_score", score=lambda clip: 3.0)
NO_FLAGS = metric("no_flags", score=lambda clip: Score(3.0, 1, 1, flags=None))
BAD_STATISTIC = metric("bad_statistic", statistic="max")
ASKING = metric("asking", score=lambda clip: clip.generated.extracted("bad_extractor"), extractors=("bad_extractor",))
LOSING = metric("losing", score=lambda clip: clip.generated.extracted("bad_weights"), extractors=("bad_weights",))
BAD_WEIGHTS = ExtractorSpec(name="bad_weights", build=build_without_weights)
UNBUILT = metric("unbuilt", extractors=("no_build",))
BAD_EXTRACTOR = ExtractorSpec(name="bad_extractor", build=build)
NO_BUILD = ExtractorSpec(name="no_build", build=fail)
THIEF = ExtractorSpec(
    name="thief", build=build, weights=(Weights(name="syncnet", file="x", used_by="", licence="", size=0),)
)
READER = Dataset(name="bad_reader", read=fail, obtain="", recognises=fail)


@contextlib.contextmanager
def open_detector(path):
    yield fail


BACKEND = LandmarkBackend(name="bad_landmarks", version=1, open_detector=open_detector)
"""
BROKEN_ENTRIES = """
[gmbench.metrics]
cannot_import = broken_that_is_not_there:METRIC
duplicate = broken:DUPLICATE
scores = broken:BAD_SCORE
values = broken:BAD_VALUE
frames = broken:BAD_FRAMES
pairs = broken:BAD_PAIRS
asking = broken:ASKING
unbuilt = broken:UNBUILT
losing = broken:LOSING
leaves = broken:LEAVES
loses_file = broken:LOSES_FILE
no_score = broken:NO_SCORE
no_flags = broken:NO_FLAGS
bad_statistic = broken:BAD_STATISTIC

[gmbench.extractors]
bad_extractor = broken:BAD_EXTRACTOR
no_build = broken:NO_BUILD
thief = broken:THIEF
bad_weights = broken:BAD_WEIGHTS

[gmbench.datasets]
bad_reader = broken:READER

[gmbench.landmarks]
bad_landmarks = broken:BACKEND
not_a_backend = broken:READER
"""


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """A folder with both examples installed."""
    target = tmp_path_factory.mktemp("site")
    for package in ("my_metric", "my_dataset"):
        install(EXAMPLES / package, target)
    return target


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A folder with an installed package whose every entry point fails in its own way."""
    target = tmp_path_factory.mktemp("broken")
    (target / "broken.py").write_text(BROKEN)
    facts = target / "broken-0.1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 0.1\n")
    (facts / "entry_points.txt").write_text(BROKEN_ENTRIES)
    return target


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two sketched clips, as reference, near and far."""
    folder = tmp_path_factory.mktemp("clips")
    write_sketches(folder, speakers=2, clips=1, seconds=1.6, size=96)
    return folder


@pytest.fixture
def on_path(monkeypatch, tmp_path):
    """Put folders of installed packages on the path of this process."""
    names = ("broken", "my_metric", "my_metric.colour", "my_metric.texture", "my_metric.filters", "my_dataset")

    def forget():
        for registry in REGISTRIES:
            registry.forget()
        for name in names:
            sys.modules.pop(name, None)

    def put(*folders):
        for folder in folders:
            monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("GMBENCH_WEIGHTS", str(tmp_path / "weights"))
        forget()

    yield put
    monkeypatch.undo()
    forget()


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run a command in this process: exit code, rows of its JSON, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["gmbench", *map(str, arguments), "--json"])
        with pytest.raises(SystemExit) as stop:
            app.main()
        captured = capsys.readouterr()
        return stop.value.code, json.loads(captured.out)["rows"] if captured.out else [], captured.err

    return run


def by(rows, key):
    return {row[key]: row for row in rows}


@pytest.mark.slow
def test_the_examples_are_listed_with_their_packages(examples, on_path, call):
    on_path(examples)
    metrics = by(call("metrics")[1], "name")
    assert metrics["colour_gap"]["package"] == metrics["texture_distance"]["package"] == "my-metric 0.1.0"
    assert metrics["psnr"]["package"] == "gmbench"
    assert call("metrics", "colour_gap")[1][0]["direction"] == "lower"
    assert by(call("data", "list")[1], "dataset")["my_dataset"]["package"] == "my-dataset 0.1.0"
    assert by(call("weights", "list")[1], "name")["my_texture"]["status"] == "missing"
    checks = by(call("doctor")[1], "what")
    assert checks["metric texture_distance"]["detail"] == "my-metric 0.1.0"
    assert checks["feature extractor my_texture"]["state"] == checks["dataset my_dataset"]["state"] == "ok"
    assert "my_texture.npy" in checks["weights my_texture"]["detail"]


@pytest.mark.slow
def test_the_example_metrics_are_scored_and_respond_to_corruptions(examples, on_path, call, clips, tmp_path):
    on_path(examples)
    chosen = ("--metrics", "psnr,colour_gap,texture_distance", "--store", tmp_path / "store")
    sides = ("--reference", clips / "reference", "--videos", clips / "near", "--videos", clips / "far")
    code, _, problem = call("eval", *sides, *chosen)
    assert code == 3
    assert "my_texture.npy is missing: put it into" in problem

    from my_metric import filters, texture

    file = filters.write(tmp_path / "weights")
    assert by(call("weights", "verify", "my_texture")[1], "name")["my_texture"]["status"] == "ok"
    code, rows, _ = call("eval", *sides, *chosen, "--controls", "ground_truth")
    assert code == 0
    value = {(row["metric"], row["method"]): row["value"] for row in rows}
    for metric in ("colour_gap", "texture_distance"):
        assert 0 == value[metric, "ground_truth"] < value[metric, "near"] < value[metric, "far"]
    records = pd.read_parquet(tmp_path / "gmbench-results" / "records.parquet")
    hashes = records.groupby("metric_name")["weights_sha256"].unique()
    assert list(hashes["texture_distance"]) == [texture.WEIGHTS.sha256]
    assert "Colour gap" in (tmp_path / "gmbench-results" / "table.md").read_text()

    corruptions = ("--corruptions", "blur,noise", "--reference", clips / "reference")
    curves = call("validate", *corruptions, *chosen)[1]
    rho = {(curve["metric"], curve["corruption"]): curve["rho"] for curve in curves if curve["expected"]}
    asked = {("texture_distance", "blur"), ("texture_distance", "noise"), ("colour_gap", "noise")}
    assert {pair: rho[pair] for pair in asked} == dict.fromkeys(asked, 1.0)

    file.write_bytes(file.read_bytes().replace(b"\x24", b"\x25"))
    code, _, problem = call("eval", *sides, *chosen)
    assert code == 3
    assert "my_texture.npy: sha256" in problem


def test_other_weights_are_another_feature(examples, on_path):
    on_path(examples)
    from gmbench.evaluation.extraction.extractors import extractor
    from gmbench.evaluation.extraction.features import ClipSource, Keys

    chosen = protocol.load("full")
    feature = extractor("my_texture", chosen)
    keys = [Keys(chosen, "", {"my_texture": sha}).clip(feature, ClipSource(video_sha256="v")) for sha in ("1", "2")]
    assert keys[0] != keys[1]
    with pytest.raises(InputError, match="no network trained on the corpus stands for my_texture"):
        extractor("my_texture", protocol.load("full", extractors="corpus"))
    with pytest.raises(InputError, match="did you mean my_texture"):
        extractor("my_textur", chosen)


def test_the_example_dataset_is_checked_and_configured(examples, on_path, call, clips, tmp_path):
    on_path(examples)
    videos = tmp_path / "recorded" / "videos"
    videos.mkdir(parents=True)
    first, second = sorted((clips / "reference").rglob("*.mp4"))
    shutil.copy(first, videos / "anna_happy_001.mp4")
    shutil.copy(second, videos / "anna_angry_002.mp4")
    (videos / "anna_cheeky_003.mp4").touch()
    for arguments in (("--dataset", "my_dataset"), ()):
        code, rows, problem = call("data", "check", tmp_path / "recorded", *arguments)
        assert code == 0, problem
        assert rows[0] == {"dataset": "my_dataset", "clips": 2, "problems": {"name": 1}, "deep": False}
    found = readers.read("my_dataset", tmp_path / "recorded")
    assert [(row.clip_id, row.split) for row in found.rows] == [
        ("my_dataset/anna/angry/0/002", "train"), ("my_dataset/anna/happy/0/001", "test")
    ]  # fmt: skip
    section = config.DatasetSection(kind="my_dataset", root="recorded", landmarks="fan")
    assert section.kind == "my_dataset"
    with pytest.raises(ValueError, match="unknown dataset 'my_datset'; did you mean my_dataset"):
        config.DatasetSection(kind="my_datset", root="recorded")


@pytest.mark.slow
def test_what_fails_is_named_once_and_leaves_the_rest_alone(broken, tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(broken)]), "GMBENCH_STORE": str(tmp_path)}
    command = [sys.executable, "-m", "gmbench", "doctor", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    checks = by(json.loads(done.stdout)["rows"], "what")
    failed = {what: check["detail"] for what, check in checks.items() if check["detail"].startswith("broken 0.1: ")}
    assert "broken_that_is_not_there" in failed.pop("metric cannot_import")
    assert "'psnr' exists already in gmbench; rename it" in failed.pop("metric psnr")
    assert "statistic: expected one of mean, median, macro, got 'max'" in failed.pop("metric bad_statistic")
    assert "weights 'syncnet' (x)" in failed.pop("feature extractor thief")
    assert "syncnet_v2.model" in checks["weights syncnet"]["detail"]
    ((what, reason),) = failed.items()
    assert what.startswith("landmark backend")
    assert "expected LandmarkBackend, got Dataset" in reason
    warnings = [line for line in done.stderr.splitlines() if "is left out" in line]
    assert len(warnings) == len(set(warnings)) == 5
    assert checks["metric bad_score"]["state"] == "ok"


def test_a_metric_or_extractor_that_raises_is_a_failed_record(broken, on_path, call, clips, tmp_path):
    on_path(broken)
    sides = ("--reference", clips / "reference", "--videos", clips / "near", "--store", tmp_path / "store")
    expected = {
        "bad_score": "RuntimeError: broken on purpose", "bad_value": "gave NaN",
        "bad_frames": "RuntimeError: broken on purpose", "bad_pairs": "RuntimeError: broken on purpose",
        "asking": "RuntimeError: broken on purpose", "losing": "broken on purpose", "leaves": "SystemExit: bye",
        "loses_file": "broken on purpose", "no_score": "expected a Score, got float", "no_flags": "TypeError",
    }  # fmt: skip
    names = ["psnr", "cpbd", *expected]
    code, rows, _ = call("eval", *sides, "--metrics", ",".join(names))
    assert code == 0
    values = {row["metric"]: row["value"] for row in rows}
    records = pd.read_parquet(tmp_path / "gmbench-results" / "records.parquet")
    assert values["psnr"] > 0
    assert values["cpbd"] is not None
    for name, reason in expected.items():
        of_metric = records[records["metric_name"] == name]
        assert set(of_metric["status"]) == {"failed"}
        assert reason in of_metric["reason"].iloc[0]


def test_an_extractor_that_cannot_be_built_costs_its_metric(broken, on_path, call, clips, tmp_path):
    on_path(broken)
    sides = ("--reference", clips / "reference", "--videos", clips / "near", "--store", tmp_path / "store")
    code, _, problem = call("eval", *sides, "--metrics", "psnr,unbuilt")
    assert code == 2
    assert "feature extractor 'no_build', of broken 0.1: RuntimeError: broken on purpose" in problem
    code, _, problem = call("eval", *sides, "--metrics", "cannot_import")
    assert code == 2
    assert re.search(r"metric 'cannot_import' is left out: broken 0\.1: .*ModuleNotFoundError", problem)


def test_a_landmark_backend_that_raises_costs_the_metrics_of_landmarks(broken, on_path, call, clips, tmp_path):
    on_path(broken)
    chosen = protocol.load("full", landmarks="bad_landmarks")
    assert (chosen.landmarks, chosen.pose) == ("bad_landmarks", "pnp")
    sides = ("--reference", clips / "reference", "--videos", clips / "near", "--store", tmp_path / "store")
    rows = call("eval", *sides, "--metrics", "psnr,m_lmd", "--landmarks", "bad_landmarks")[1]
    assert {row["metric"]: row["n"] for row in rows} == {"psnr": 2, "m_lmd_fb:bad_landmarks": 0}
    with pytest.raises(InputError, match="did you mean bad_landmarks"):
        protocol.load("full", landmarks="bad_landmark")


def test_a_reader_that_raises_costs_its_dataset(broken, on_path, call, clips):
    on_path(broken)
    code, _, problem = call("data", "check", clips / "reference", "--dataset", "bad_reader")
    assert code == 2
    assert "the reader of dataset 'bad_reader', of broken 0.1, failed (RuntimeError: broken on purpose)" in problem
    assert readers.recognise(clips / "reference") == "folder"


def test_two_packages_with_one_name_are_told_apart(tmp_path, on_path):
    for name in ("first", "second"):
        facts = tmp_path / name / f"{name}-1.dist-info"
        facts.mkdir(parents=True)
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (facts / "entry_points.txt").write_text("[gmbench.methods]\nmine = json:loads\n")
    on_path(tmp_path / "first", tmp_path / "second")
    loaded = plugins.load(plugins.METHODS)
    assert loaded.found["mine"].package == "first 1"
    assert "second 1: first 1 has an entry point of this name" in loaded.problems["mine (second 1)"]


def test_the_page_shows_the_files_of_the_examples():
    page = (ROOT / "docs" / "extending.md").read_text("utf-8")
    shown = re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```\n", page, flags=re.DOTALL)
    files = [path for folder in ("my_metric", "my_dataset") for path in (EXAMPLES / folder).rglob("*")]
    files = [path for path in files if path.suffix in (".py", ".toml") and path.stem != "__init__"]
    assert {name for name, _ in shown} == {path.relative_to(ROOT).as_posix() for path in files}
    for name, text in shown:
        assert text == (ROOT / name).read_text("utf-8"), f"{name}: run 'python -m tools.include --write'"
