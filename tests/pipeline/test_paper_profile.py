"""The paper profile, from raw data to a table, on a tiny tree in the layout of each dataset.

Everything of the profile is as it ships but for the roots, the sizes and the landmarks, which no network finds here: a
face model in FaceVerse v3's layout, a small HuBERT with random weights, fitted coefficients, mattes from files.
"""

import contextlib
import json

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from transformers import HubertConfig, HubertModel

from gmbench import config, params_check, shards
from gmbench.datasets import manifest
from gmbench.face.faces import Face
from gmbench.face.landmarks import BACKENDS, LandmarkBackend
from gmbench.face.landmarks_68 import mesh_vertices
from gmbench.media import Video, write_audio, write_video
from gmbench.methods.registry import System
from gmbench.morphable.model import EXPRESSION
from gmbench.morphable.synthetic.make import synthesise
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.stages import audio, crop, extract, face_model, fit, generate, ingest, landmarks, render, score
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.train import model_folder
from gmbench.stages.training_pool import train_systems
from gmbench.store import Store

pytestmark = pytest.mark.slow
SIDE = 96
TREES = {
    "mead": [(f"M003/{{}}/{tail}", 30) for tail in (
        "angry/level_3/026", "angry/level_3/001", "happy/level_3/001", "neutral/level_1/001")],
    "crema_d": [(f"{{}}/1001_{name}", 30) for name in ("IEO_ANG_HI", "TSI_ANG_XX", "IEO_HAP_LO", "TSI_HAP_XX")],
    "lsp": [("lsp1", 140)],
    "hdtf": [("RD_Radio1_000", 30), ("RD_Radio1_001", 30)],
    "voxceleb2": [(f"dev/{{}}/id00001/abc/0000{n}", 80) for n in range(4)],
}  # fmt: skip
FOLDERS = {
    "mead": ("video/front", ".mp4", "audio", ".m4a"), "crema_d": ("VideoFlash", ".flv", "AudioWAV", ".wav"),
    "lsp": ("", ".mp4", "", ".wav"), "hdtf": ("", ".mp4", "", ".wav"), "voxceleb2": ("mp4", ".mp4", "aac", ".m4a"),
}  # fmt: skip
EVALUATED = ("mead", "crema_d", "lsp", "hdtf")
SIZES = {"mead": 128, "crema_d": 64, "lsp": 64, "hdtf": 64, "voxceleb2": 64}
TINY = {"width": 16, "heads": 2, "window": [12, 20]}
TRAIN = {"steps": 2, "batch": 2}
SYSTEM = {
    "gmeg": {**TINY, "layers": [1, 1, 1], "z": 4, "w": 4, "train": TRAIN},
    "nfmg": {**TINY, "layers": [1, 1], "z": 4, "flow_steps": 1, "flow_width": 16, "flow_layers": 1, "pretrain": TRAIN,
             "finetune": TRAIN},
    "head": {"channels": dict.fromkeys((4, 8, 16, 32, 64, 128), 4), "perceptual": "randconv", "train": TRAIN},
}  # fmt: skip


@contextlib.contextmanager
def _known_face(sidecar):
    """A detector that finds a face in the middle of every frame, which turns and speaks from frame to frame."""
    model = synthetic_model()
    count = iter(range(100_000))

    def detect(frame):
        t, full, rho = next(count), np.zeros((1, EXPRESSION)), np.zeros((1, 12))
        rho[0, :3] = 0.15 * np.sin(t / np.array([4.0, 5, 7]))
        full[0, :4] = 0.5 * np.sin(t / 2 + np.arange(4))
        mesh = model.landmark_points(np.zeros(150), full, rho, frame.shape[0])[0]
        return [Face(mesh[mesh_vertices()], mesh=mesh)]

    yield detect


def _write_tree(root, name):
    rng = np.random.default_rng(3)
    video, suffix, sound, sound_suffix = FOLDERS[name]
    for stem, frames in TREES[name]:
        soft = rng.integers(0, 255, (frames // 10 + 2, 6, 6, 3)).astype(np.uint8)
        pictures = [cv2.resize(soft[t // 10], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for t in range(frames)]
        path = root / f"{stem.format(video)}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path.with_suffix(".mp4"), pictures)
        path.with_suffix(".mp4").rename(path)
        voice = root / f"{stem.format(sound)}{sound_suffix}"
        voice.parent.mkdir(parents=True, exist_ok=True)
        write_audio(voice, rng.normal(0, 3000, 640 * frames).astype(np.int16))


def _write_hubert(folder):
    torch.manual_seed(0)
    settings = HubertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=(8,) * 7,
        do_stable_layer_norm=True, feat_extract_norm="layer", conv_bias=True, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    HubertModel(settings).save_pretrained(folder)


def _write_mattes(run):
    """A person in the lower half of every frame."""
    for row in manifest.read(run.paths.cropped):
        size = Video(run.paths.crops / row.video_path).info.width
        matte = np.zeros((row.n_frames, size, size, 3), np.uint8)
        matte[:, size // 3 :] = 255
        path = run.paths.work / "mattes" / row.video_path
        path.parent.mkdir(exist_ok=True)
        write_video(path, matte)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """All stages of all datasets, in one process."""
    folder = tmp_path_factory.mktemp("paper")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("GMBENCH_WEIGHTS", str(folder / "weights"))  # no published network is there
        patch.setitem(BACKENDS.built_in, "drawn", LandmarkBackend(name="drawn", version=1, open_detector=_known_face))
        params = yaml.safe_load(config.profiles()["paper"])
        params["datasets"]["hdtf"] = {**params["datasets"]["lsp"], "kind": "hdtf"}
        for name, section in params["datasets"].items():
            _write_tree(folder / "raw" / name, name)
            section |= {"root": str(folder / "raw" / name), "landmarks": "drawn", "size": SIZES[name]}
        params["datasets"]["voxceleb2"]["selection"] = {"clips": 2, "per_folder": 2}
        np.save(folder / "faceverse_v3.npy", synthesise(), allow_pickle=True)
        _write_hubert(folder / "hubert")
        params |= {"workers": 1, "evaluate": list(EVALUATED), "systems": {"gmtalker": SYSTEM}}
        params["face_model"]["source"] = str(folder / "faceverse_v3.npy")
        params["audio"]["hubert"] = str(folder / "hubert")
        params["fit"]["steps"] = 3
        params["render"]["size"] = 64
        config.FILE.write_text(yaml.safe_dump(params))
        yield _run_everything(folder)


def _run_everything(folder):
    params = config.load()
    params_check.require(params)
    runs = {name: PipelineRun(params, DatasetPaths(name), Store(folder / "store"), quiet=True) for name in TREES}
    face_model.face_model(runs["mead"])
    for name in ("voxceleb2", *EVALUATED):
        run, section = runs[name], params.datasets[name]
        ingest.ingest(run, section)
        crop.crop(run, section)
        landmarks.landmarks(run, section)
        fit.fit(run, section)
        audio.audio(run)
        if name in EVALUATED:
            render.render(run, section)
            _write_mattes(run)
            train_systems(run, section, params.trained)
            for method in params.methods:
                generate.generate(run, section, method)
            extract.extract(run, section)
            score.score(run, section)
    return runs


@pytest.mark.parametrize("name", EVALUATED)
def test_from_raw_data_to_a_table(project, name):
    run = project[name]
    rows = manifest.read(run.paths.cropped)
    assert {"train", "test"} <= {row.split for row in rows}
    assert json.loads((run.paths.work / "ingest.json").read_text())["problems"] == {}
    fitted = json.loads((run.paths.work / "fit.json").read_text())
    assert fitted["failed"] == {}
    assert fitted["percent_iod"]["worst"] < 5
    records = pd.read_parquet(run.paths.scores / "records.parquet")
    assert set(records["method"]) == {*run.params.methods, *run.params.evaluation.controls}
    own = records[records["method"] == "gmtalker"]
    tested = sum(row.split == "test" for row in rows)
    for metric in ("psnr", "ssim", "div"):
        assert (own[own["metric_name"] == metric]["status"] == "ok").sum() == tested, metric
    assert "gmtalker-pose" in (run.paths.scores / "table.md").read_text()


@pytest.mark.parametrize("name", EVALUATED)
def test_heads_and_videos_have_the_size_of_their_dataset(project, name):
    folder = model_folder(name, System.parse("gmtalker"))
    card = json.loads((folder / "card.json").read_text())
    assert card["size"] == SIZES[name]
    assert card["audio"]["extractor"] == "hubert"
    assert card["clips"]["used"] == card["clips"]["frames"] > 0
    for video in project[name].paths.videos("gmtalker").glob("*.mp4"):
        assert Video(video).info.height == SIZES[name]


def test_only_what_is_needed_is_made(project):
    assert json.loads((project["voxceleb2"].paths.work / "ingest.json").read_text())["listed"] == 4
    assert len(manifest.read(project["voxceleb2"].paths.cropped)) == 2
    assert not project["voxceleb2"].paths.renders.exists()
    mead = project["mead"]
    rendered = {name for name, _ in shards.clips(mead.paths.renders, "M003", ["png"])}
    assert rendered == {row.clip_id for row in manifest.read(mead.paths.cropped) if row.split == "train"}
