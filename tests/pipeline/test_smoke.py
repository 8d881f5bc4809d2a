"""The whole pipeline with DVC, as a user runs it: the smoke profile from a fresh project, without a network."""

import hashlib
import json
import os
import re
import signal
import time

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile

from gmbench.evaluation.interpolation import find_sequences
from gmbench.media import SAMPLES_PER_FRAME, Video, read_audio
from gmbench.methods import registry
from gmbench.methods.interface import EmotionSpec, GenRequest
from gmbench.morphable.model import BETA, MOTION
from gmbench.weights import files
from tests.pipeline.project import ROOT, Project
from tests.pretended_card import card
from tests.reporting.browser import complaints, open_browser
from tools.dvc_deps import DVC_FILE, stage_names

pytestmark = pytest.mark.slow


def smoke_project(folder, workers=1):
    """The smoke profile with a method of another package beside GMTalker, FlowVQTalker and EDTalk."""
    made = Project(folder, "smoke")
    made.install(ROOT / "examples" / "toy_method")
    methods = ["render", "refit", "gmtalker", "flowvqtalker", "edtalk", "toy-method"]
    made.configure(methods=methods, trained=["gmtalker", "flowvqtalker", "edtalk", "toy-method"], workers=workers)
    return made


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Killed in its first stage, then run to the end."""
    made = smoke_project(tmp_path_factory.mktemp("pipeline") / "project")
    running, store = made.start("dvc", "repro"), made.folder / ".gmbench" / "store"
    deadline = time.monotonic() + 900
    while len(list(store.glob("*/*.safetensors"))) < 4:
        assert time.monotonic() < deadline, "the corpus stage made nothing"
        assert running.poll() is None, "dvc repro ended before it was killed"
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    made.finished = {path: path.stat().st_mtime_ns for path in store.glob("*/*.safetensors")}
    made.run("dvc", "repro")
    return made


def test_a_killed_stage_resumes_where_it_was(project):
    assert len(project.finished) >= 4
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in project.finished.items())
    assert not list((project.folder / ".gmbench" / "store").rglob("*.part"))


def test_a_second_run_does_nothing(project):
    printed = project.run("dvc", "repro")
    assert "up to date" in printed.lower()
    assert not [line for line in printed.splitlines() if line.startswith("Running")]


def test_a_change_of_the_decoder_makes_dvc_run_what_decodes_again(project):
    media, css = (project.folder / "gmbench" / name for name in ("media/video.py", "reporting/page/assets/style.css"))
    texts = {path: path.read_text() for path in (media, css)}
    try:
        css.write_text(texts[css] + "\n")
        assert set(json.loads(project.run("dvc", "status", "--json"))) == {"report"}
        media.write_text(texts[media] + "\n")
        changed = {name.partition("@")[0] for name in json.loads(project.run("dvc", "status", "--json"))}
        decoding = {"corpus", "train_extractors", "ingest", "crop", "landmarks", "fit", "audio", "train"}
        assert changed >= decoding | {"generate", "extract"}
        assert "face_model" not in changed
    finally:
        for path, text in texts.items():
            path.write_text(text)


def test_the_report_has_tables_figures_and_clips(project):
    folder = project.folder / "reports"
    page = (folder / "index.html").read_text()
    for part in ("gmtalker on synth", "Heads of synth", "Networks trained on the corpus", "The papers&#x27; tables"):
        assert part in page
    names = [f"synth-gmtalker-{name}" for name in ("best", "worst", "between", "motion", "latents", "losses")]
    names += ["synth-heads-correlation", "synth-heads-trace", "confusion-emotion", "validation"]
    for name in names:
        assert (folder / "figures" / f"{name}.png").stat().st_size > 2000, name
        assert (folder / "figures" / f"{name}.svg").stat().st_size > 2000, name
    for name in (
        "figures/synth-sheet.png", "figures/synth-fit.png", "table-synth.md", "plots/metrics.csv",
        "plots/fit_error.csv", "tables/gmtalker-1-synth.tex", "tables/gmtalker-7.md",
    ):  # fmt: skip
        assert (folder / name).stat().st_size > 0, name
    clips = sorted(path.name for path in (folder / "media" / "synth" / "gmtalker").iterdir())
    assert len(clips) == len(list((project.folder / "results/synth/videos/gmtalker").rglob("*.mp4")))
    assert project.run("gmbench", "table", "--like", "gmtalker-5", "--dataset", "synth").count("n/a") > 3


@pytest.mark.browser
def test_the_page_opens_in_a_browser(project):
    driver = open_browser()
    try:
        driver.get((project.folder / "reports" / "index.html").as_uri())
        assert "gmtalker" in driver.find_element("id", "chosen-table").text
        training = driver.find_element("xpath", "//*[@id='headline']/p[starts-with(., 'Training: ')]").text
        assert re.search(r"\bgmtalker \d+ min", training)
        terms = driver.find_element("xpath", "//table[.//th[text()='scored people met before']]")
        lines = [row.find_elements("tag name", "td") for row in terms.find_elements("css selector", "tbody tr")]
        rows = {cells[0].get_attribute("textContent"): cells[1].get_attribute("textContent") for cells in lines}
        assert {"gmtalker", "flowvqtalker", "edtalk"} <= set(rows)
        assert "expression 1, lips 1, semantics 1, teachers 1" in rows["edtalk"]
        assert complaints(driver) == []
    finally:
        driver.quit()


def test_ground_truth_is_the_ceiling(project):
    records = pd.read_parquet(project.folder / "results/synth/scores/records.parquet")
    means = records[records["status"] == "ok"].pivot_table(index="method", columns="metric_name", values="value")
    assert means.loc["ground_truth", "ssim"] == 1.0
    assert means.loc["ground_truth", "ssim"] > means.loc["render", "ssim"] > means.loc["refit", "ssim"]
    assert means.loc["ground_truth", "m_lmd"] == 0.0 < means.loc["render", "m_lmd"]
    assert set(records["clip"]) == set(records[records["method"] == "render"]["clip"])


def test_extractors_are_those_of_the_package(project):
    folder = project.folder / "models" / "extractors"
    assert json.loads((folder / "networks.json").read_text())["source"] == "shipped"
    for kind, made in files.shipped_facts()["networks"].items():
        assert hashlib.sha256((folder / f"{kind}.safetensors").read_bytes()).hexdigest() == made["sha256"]
    table = pd.read_parquet(project.folder / "results/synth/scores/records.parquet")
    assert {"acc_emo", "sync_c", "f_sim", "fid"} <= set(table[table["status"] == "ok"]["metric_name"])
    used = set(table[table["metric_name"] == "acc_emo"]["weights_sha256"])
    assert any(files.shipped_facts()["networks"]["emotion"]["sha256"][:12] in value for value in used)


def test_the_fit_follows_the_corpus_own_landmarks(project):
    fit = json.loads((project.folder / "work/synth/fit.json").read_text())
    assert fit["failed"] == {}
    assert fit["percent_iod"]["mean"] < 5
    landmarks = json.loads((project.folder / "work/synth/landmarks.json").read_text())
    assert landmarks["with_face"] == landmarks["frames"]


def test_dvcs_commands_work(project):
    shown = json.loads(project.run("dvc", "metrics", "show", "--json"))
    files = shown[""]["data"]
    shown = {name: data["data"] for name, data in files.items() if name.startswith("results/metrics/synth/")}
    assert 4 <= len(shown) <= 7
    ssim = shown["results/metrics/synth/ssim.json"]
    assert "still" not in ssim
    every = json.loads((project.folder / "results/synth/scores/means/render.json").read_text())
    assert every["ssim"] == {"mean": ssim["render"], "coverage": 1.0}
    assert len(every) > 20
    assert "models/extractors/landmarker.json" in files
    assert "index.html" in project.run("dvc", "plots", "show")
    assert '"facet"' in (project.folder / "dvc_plots" / "index.html").read_text()  # one chart a metric
    collapsed = project.run("dvc", "dag", "--collapse-foreach-matrix", "--mermaid")
    assert sum("[" in line for line in collapsed.splitlines()) == len(stage_names(DVC_FILE.read_text().splitlines()))


def _speech(project, seconds: float) -> str:
    sound = np.random.default_rng(0).normal(0, 2000, int(seconds * 16000)).astype(np.int16)
    wavfile.write(project.folder / "speech.wav", 16000, sound)
    return "speech.wav"


def test_a_trained_method_says_anything_with_any_emotion(project):
    command = ("gmbench", "generate", "--method", "ours", "--audio", _speech(project, 2.5))
    project.run(*command, "--emotion", "happy", "-o", "a.mp4")
    project.run(*command, "--emotion", "happy", "--seed", "1", "-o", "b.mp4")
    several = ("happy", "sad:0.5", "happy=0.5,angry=0.5")
    project.run(*command, *(word for text in several for word in ("--emotion", text)), "-o", "many.mp4")
    many = [project.folder / f"many-{name}.mp4" for name in ("happy", "sad-0.5", "happy-0.5-angry-0.5")]
    assert set(project.folder.glob("many-*.mp4")) == set(many)
    first = project.folder / "a.mp4"
    assert Video(first).info.frames == 62
    assert len(read_audio(first)) >= 40000
    contents = [path.read_bytes() for path in (first, *many, project.folder / "b.mp4")]
    assert contents[0] == contents[1]  # of two processes
    assert len(set(contents)) == 4
    refused = project.refused(*command, "--emotion", "fear", "-o", "x.mp4")
    assert "fear was not learnt; the method knows angry" in refused


def test_a_one_shot_method_moves_a_picture(project):
    """FlowVQTalker: trained and scored by the pipeline, then driven by a picture that is fitted on the way."""
    card = json.loads((project.folder / "models/synth/flowvqtalker/card.json").read_text())
    assert set(card["parts"]) == {"codebook", "expflow", "poseflow", "vqig"}
    assert card["parts"]["vqig"]["frozen_parameters"] > 0
    recorded = pd.read_parquet(project.folder / "results/synth/scores/records.parquet")
    own = recorded[(recorded["method"] == "flowvqtalker") & (recorded["metric_name"] == "psnr")]
    assert set(own["status"]) == {"ok"}
    video = next((project.folder / "work/synth/crops").rglob("*.mp4"))
    command = ("gmbench", "generate", "--method", "flowvqtalker", "--audio", _speech(project, 1.0), "-o", "shot.mp4")
    project.run(*command, "--source-image", str(video), "--emotion-from", str(video))
    assert Video(project.folder / "shot.mp4").info.frames == 25
    refused = project.refused(*command, "--emotion", "happy")
    assert "speech: FlowVQTalker needs source_image" in refused


def test_a_picture_is_driven_by_videos_without_any_coefficients(project):
    """EDTalk: trained and scored by the pipeline; then mouth, pose and expression from three videos."""
    card = json.loads((project.folder / "models/synth/edtalk/card.json").read_text())
    assert set(card["parts"]) == {
        "backbone", "teachers", "decouple", "expression", "lips", "posemotion", "semantics",
    }  # fmt: skip
    recorded = pd.read_parquet(project.folder / "results/synth/scores/records.parquet")
    own = recorded[(recorded["method"] == "edtalk") & (recorded["metric_name"] == "psnr")]
    assert set(own["status"]) == {"ok"}
    films = sorted((project.folder / "work/synth/crops").rglob("*.mp4"))[:3]
    command = ("gmbench", "generate", "--method", "edtalk", "--source-image", str(films[0]), "-o", "driven.mp4")
    named = ["--mouth-from", str(films[0]), "--pose-from", str(films[1]), "--expression-from", str(films[2])]
    project.run(*command, *named)
    assert Video(project.folder / "driven.mp4").info.frames == 32
    refused = project.refused(*command, *named, "--emotion", "happy")
    assert "each name the emotion" in refused


def test_a_diffusion_model_moves_a_picture(project):
    """DICE-Talk: trained by the command on what the pipeline prepared, then driven by a label and by a video."""
    project.run("gmbench", "train", "--method", "dicetalk")
    card = json.loads((project.folder / "models/synth/dicetalk/card.json").read_text())
    assert set(card["parts"]) == {"vae", "embedder", "diffusion"}
    video = next((project.folder / "work/synth/crops").rglob("*.mp4"))
    command = ("gmbench", "generate", "--method", "dicetalk", "--audio", _speech(project, 1.0), "--source", str(video))
    project.run(*command, "--emotion", "happy", "--steps", "2", "--guidance", "3", "-o", "happy-dice.mp4")
    like = ("--emotion-from", str(video), "--steps", "2", "--emotion-guidance", "4", "-o", "like-dice.mp4")
    project.run(*command, *like)
    for name in ("happy-dice.mp4", "like-dice.mp4"):
        assert Video(project.folder / name).info.frames == 25
    command = ("gmbench", "generate", "--audio", _speech(project, 1.0), "--emotion", "sad", "-o", "x.mp4")
    refused = project.refused(*command, "--steps", "2")
    assert "GMTalker has no option 'steps'" in refused


@pytest.mark.parametrize("system", ["gmtalker", "flowvqtalker", "edtalk"])
def test_what_was_trained_speaks_on_another_device_as_on_the_cpu(project, system):
    folder = project.folder / "models" / "synth" / system
    here = _spoken(registry.load(system, folder))
    with card():
        there = _spoken(registry.load(system, folder))
    assert np.abs(here.astype(int) - there).max() <= 1


def _spoken(method):
    """Frames of half a second of noise in the first emotion that the method knows."""
    sound = np.random.default_rng(0).normal(0, 2000, 13 * SAMPLES_PER_FRAME).astype(np.int16)
    picture = np.random.default_rng(1).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    request = GenRequest("clip", sound, EmotionSpec({method.emotions[0]: 1.0}), next(iter(method.speakers), ""),
                         source_image=picture, source_expression=np.zeros(BETA, np.float32),
                         source_motion=np.zeros(MOTION, np.float32))  # fmt: skip
    return np.stack(list(method.generate(request).frames))


def test_sequences_between_emotions_are_read_by_the_evaluation(project):
    command = ("gmbench", "generate", "--audio", _speech(project, 1.0), "--interpolate", "happy:sad")
    project.run(*command, "-o", "between/M001_happy-sad")
    (found,) = find_sequences(project.folder / "between")
    assert (found.start, found.end, len(found.files)) == ("happy", "sad", 17)
    project.run(*command, "-o", "moving.mp4")
    assert Video(project.folder / "moving.mp4").info.frames == 25


def test_our_method_is_scored_by_one_command(project):
    shown = json.loads(project.run("gmbench", "eval", "--method", "ours", "--metrics", "psnr,ssim", "--json"))
    rows = {(row["method"], row["metric"]): row for row in shown["rows"]}
    assert rows["gmtalker", "psnr"]["n"] == rows["gmtalker", "psnr"]["expected"] == 8
    recorded = pd.read_parquet(project.folder / "results/synth/scores/records.parquet")
    own = recorded[(recorded["method"] == "gmtalker") & (recorded["metric"] == "psnr")]["value"]
    assert rows["gmtalker", "psnr"]["value"] == pytest.approx(own.mean())


class TestAnotherPackagesMethod:
    """``toy-method`` of examples/toy_method, installed from its package: docs/methods.md describes this file."""

    def test_it_goes_through_the_pipeline(self, project):
        folder = project.folder / "models/synth/toy-method"
        card = json.loads((folder / "card.json").read_text())
        assert card["settings"] == {"every": 10, "opening": 0.06}
        assert set(card["parts"]) == {"M001", "W002"}
        content = hashlib.sha256((folder / "pictures.npz").read_bytes()).hexdigest()
        assert card["checkpoints"] == {"pictures.npz": content}
        recorded = pd.read_parquet(project.folder / "results/synth/scores/records.parquet")
        own = recorded[(recorded["method"] == "toy-method") & (recorded["metric_name"] == "psnr")]
        assert len(own) == 8
        assert set(own["status"]) == {"ok"}
        page = (project.folder / "reports/index.html").read_text()
        assert "toy-method on synth" in page
        assert "Toy method" in page
        for name in ("best", "worst", "between"):
            assert (project.folder / f"reports/figures/synth-toy-method-{name}.png").stat().st_size > 2000, name

    def test_its_videos_follow_its_checkpoint(self, project):
        first = next((project.folder / "results/synth/videos/toy-method").rglob("*.mp4"))
        before = first.read_bytes()
        project.configure(systems=project.params["systems"] | {"toy-method": {"opening": 0.2}})
        project.run("gmbench", "train", "--method", "toy-method")
        command = ("gmbench", "eval", "--method", "toy-method", "--metrics", "psnr", "--json")
        shown = json.loads(project.run(*command))
        assert {row["n"] for row in shown["rows"] if row["method"] == "toy-method"} == {8}
        assert first.read_bytes() != before

    def test_its_orderings_are_tried(self, project):
        shown = project.run("gmbench", "ablate", "--method", "toy-method", "--seeds", "2")
        (verdict,) = json.loads((project.folder / "ablations/toy-method/verdicts.json").read_text())["verdicts"]
        assert (verdict["metric"], verdict["better"], verdict["worse"]) == ("m_lmd", "", "still")
        assert np.isfinite(verdict["values"]).all()
        assert verdict["verdict"] in shown
        named = set(pd.read_parquet(project.folder / "ablations/toy-method/records-own.parquet")["method"])
        assert {"toy-method", "toy-method-still", "toy-method-s1", "toy-method-still-s1"} <= named

    def test_it_says_anything_and_says_what_it_cannot(self, project):
        command = ("gmbench", "generate", "--audio", _speech(project, 1), "-o", "toy.mp4", "--emotion", "happy")
        project.run(*command, "--method", "toy-method")
        assert Video(project.folder / "toy.mp4").info.frames == 25
        refused = project.run(*command, "--method", "toy-method-pose", check=False)
        assert "toy-method-pose: Toy method has no drive 'pose'; it has none" in refused


def test_the_run_card_tells_what_was_trained(project):
    card = json.loads((project.folder / "models/synth/gmtalker/card.json").read_text())
    assert set(card["parts"]) == {"gmeg", "pretrained", "nfmg-M001", "nfmg-W002", "head-M001", "head-W002"}
    for name, part in card["parts"].items():
        assert part["steps"] > 0, name
        assert not part["stopped_early"]
        assert np.isfinite(list(part["losses"].values())).all()
        file = project.folder / "models/synth/gmtalker" / f"{name}.safetensors"
        assert part["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert (file.parent / "losses" / f"{name}.tsv").read_text().startswith("step")
    assert card["settings"]["gmeg"]["objective"] == "bound"
    project.run("gmbench", "train", "--method", "gmtalker")
    again = json.loads((project.folder / "models/synth/gmtalker/card.json").read_text())
    assert again["parts"] == card["parts"]  # from the store: the same seconds


def test_an_experiment_changes_what_its_parameter_is_of(project):
    """The last test, since it changes params.yaml."""
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "ran")
    renders = project.folder / "work/synth/renders/M001.parquet"
    before = renders.stat().st_size
    project.run("dvc", "exp", "run", "-S", "render.maps=[color,normal]", "render@synth")
    assert "render.maps" in project.run("dvc", "params", "diff")
    assert renders.stat().st_size > 1.3 * before  # pictures of two maps


@pytest.mark.skipif(
    not os.environ.get("GMBENCH_SLOW_TESTS"), reason="a second whole run; GMBENCH_SLOW_TESTS=1 asks for it"
)
def test_another_run_with_other_workers_gives_the_same_table(project, tmp_path):
    other = smoke_project(tmp_path / "again", workers=2)
    other.run("dvc", "repro")
    for name in ("results/synth/scores/table.md", "work/synth/fit.json", "models/extractors/landmarker.json"):
        assert (other.folder / name).read_bytes() == (project.folder / name).read_bytes()
