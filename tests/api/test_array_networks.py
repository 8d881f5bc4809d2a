"""Networks and detectors on arrays: the engine's numbers for the same pixels."""

import numpy as np
import pytest

import gmbench
from gmbench.media import Video, read_audio, write_video
from tests.evaluation.conftest import files, heads  # noqa: F401  # fixtures
from tests.shared import REAL

NETWORKS = ["lpips_alex", "fid", "sync_c", "av_offset", "acc_emo", "emo_prob", "emo_score", "f_sim"]


@pytest.mark.slow
def test_networks_give_the_engines_numbers(heads, files, tmp_path):  # noqa: F811
    near, real = (heads / method / "S000" / "000.mp4" for method in ("near", "reference"))
    landmarks = []
    for path in (near, real):
        with np.load(path.with_name("000.landmarks.npz")) as file:
            landmarks.append(file["points"])
    scored = gmbench.score(near, real, NETWORKS, emotion="happy", landmarks="sidecar", store=tmp_path)
    assert len(scored) == len(NETWORKS)
    frames = [np.stack(list(Video(path))) for path in (near, real)]
    for key, expected in scored.items():
        value = gmbench.metric(key, landmarks="sidecar")(
            *frames, audio=read_audio(near), landmarks=landmarks[0], reference_landmarks=landmarks[1], emotion="happy"
        )
        assert value == expected, key


@pytest.mark.real("data/real/lsp_may_5s.mp4", "weights/face_landmarker.task")
def test_the_detector_of_the_protocol_finds_the_landmarks(tmp_path):
    frames = [frame for _, frame in zip(range(15), Video(REAL / "lsp_may_5s.mp4"), strict=False)]
    for name, shown in (("real", frames), ("generated", [frame // 2 for frame in frames])):
        write_video(tmp_path / f"{name}.mp4", shown)
    paths = [tmp_path / "generated.mp4", tmp_path / "real.mp4"]
    scored = gmbench.score(*paths, ["m_lmd", "pcm", "div"], store=tmp_path / "store")
    decoded = [np.stack(list(Video(path))) for path in paths]
    assert scored == {key: gmbench.metric(key)(*decoded) for key in scored}
    assert scored["m_lmd_fb:mediapipe"] > 0
