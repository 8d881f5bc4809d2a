"""The networks of the published metrics, under random weights shared with their references."""

import pickle

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn
from torchvision.models import alexnet, vgg16

from gmbench.errors import WeightsError
from gmbench.evaluation.extraction import network_crops
from gmbench.extractors import affectnet, emotion_fan, exported, inception, lip_reading, s3fd, syncnet, trunks
from gmbench.extractors.loading import read_state
from tests.reference import network_agreement
from tests.reference import networks as slow
from tests.reference.network_agreement import saved
from tools.random_networks import coarse_pictures, randomised


@pytest.mark.parametrize("check", network_agreement.CHECKS, ids=[check[0] for check in network_agreement.CHECKS])
def test_agrees_with_its_reference(check):
    row = network_agreement.measure(check)
    assert row.difference < row.tolerance


def test_eat_takes_five_frames():
    np.testing.assert_array_equal(inception.eat_frames(50), [0, 10, 20, 30, 40])
    np.testing.assert_array_equal(inception.eat_frames(3), [0, 1, 2])


def test_emotion_vgg_mean_over_layers(tmp_path):
    network = trunks.load_emotion_vgg(saved(randomised(vgg16(num_classes=8)), tmp_path / "vgg.pth"))
    a, b = coarse_pictures(2, 224, 3)
    distances = network.distances(np.stack([a, b, b]))
    assert 0 < distances[0] < 2
    assert distances[1] == 0
    assert network.distance(a, b) == distances[0]


@pytest.fixture(scope="module")
def sync_file(tmp_path_factory):
    return saved(randomised(syncnet.SyncNet()), tmp_path_factory.mktemp("sync") / "syncnet_v2.model")


def test_too_few_frames_give_no_window(sync_file):
    stream = syncnet.LipStream(syncnet.load(sync_file))
    for crop in coarse_pictures(4, 224):
        stream.add(crop)
    assert stream.embeddings().shape == (0, 1024)
    assert syncnet.sound_embeddings(syncnet.load(sync_file), np.zeros((30, 13)), 0).shape == (0, 1024)


def test_emotion_fan_with_seven_classes_loads(tmp_path):
    network = emotion_fan.EmotionFan(7)
    del network.pred_fc1
    assert emotion_fan.load(saved(network, tmp_path / "afew")).pred_fc2.out_features == 7


def test_affectnet_is_the_slow_one(tmp_path):
    backbone, temporal = randomised(affectnet.Backbone()), randomised(affectnet.Temporal())
    static, dynamic = affectnet.load(saved(backbone, tmp_path / "b.pt"), saved(temporal, tmp_path / "t.pt"))
    face = coarse_pictures(1, 224, 9)[0]
    with torch.no_grad():
        expected = slow.affectnet_features(backbone.state_dict(), face)
    found = affectnet.frame_feature(static, face)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    for count, windows in ((3, 1), (10, 1), (12, 2), (20, 3)):
        p = affectnet.window_probabilities(dynamic, np.repeat(found[None], count, axis=0))
        assert p.shape == (windows, 7)
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)


def test_s3fd_decoding_and_detection(tmp_path):
    network = s3fd.load(saved(randomised(s3fd.S3FD()), tmp_path / "sfd_face.pth"))
    image = coarse_pictures(1, 96, 4)[0]
    with torch.inference_mode():
        found = network(torch.from_numpy(image).permute(2, 0, 1)[None].float())
        assert next(tuple(score.shape[1:]) for score, _ in found) == (2, 24, 24)
        small = [(score / 50, offset.clamp(-3, 3)) for score, offset in found]
        boxes, scores = s3fd.decode(small, 96, 96)
    expected_boxes, expected_scores = slow.s3fd_boxes(small, 96, 96)
    np.testing.assert_allclose(boxes.numpy(), expected_boxes, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scores.numpy(), expected_scores, atol=1e-6)
    assert s3fd.detect(network, image, 1.0, confidence=0.5).shape[1] == 5
    assert s3fd.search_scale(256, 256) == 1.0
    assert s3fd.search_scale(512, 512) == 0.25


class ScriptedVideo(nn.Module):
    """Stands for the I3D program: same call, same shapes."""

    def forward(self, x: torch.Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False):
        if rescale:
            x = x.float() * (2.0 / 255.0) - 1.0
        return x.mean(dim=(3, 4)).flatten(1).repeat(1, 9)[:, :400]


class ScriptedPose(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.eye(3).expand(x.shape[0], 3, 3)


class ScriptedLips(nn.Module):
    """Stands for a lip reader: each mouth, and what is left of the one before."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x[:, 0].flatten(2)
        return rows + 0.5 * torch.cat([rows[:, :1], rows[:, :-1]], dim=1)


def test_lips_are_read_upright_at_one_size(tmp_path):
    torch.jit.script(ScriptedLips()).save(str(tmp_path / "lips.pt"))
    network = exported.load_script(tmp_path / "lips.pt")
    assert lip_reading.lip_embeddings(network, np.zeros((3, 88, 88), np.uint8)).shape == (3, 88 * 88)
    points = np.zeros((68, 2))
    points[36:42], points[42:48], points[48:68] = (100, 100), (164, 100), (132, 150)
    frame = np.zeros((300, 300, 3), np.uint8)
    frame[140:160, 120:144] = 255  # the mouth
    crop = network_crops.lip_crop(frame, points)
    assert crop.shape == (88, 88)
    np.testing.assert_array_equal(crop[34:54, 32:56], 255)
    turned = np.rot90(frame).copy()  # x goes up, y to the right
    again = network_crops.lip_crop(turned, np.stack([points[:, 1], 299 - points[:, 0]], axis=1))
    assert np.abs(again.astype(int) - crop).mean() < 5
    larger = network_crops.lip_crop(np.kron(frame, np.ones((2, 2, 1), np.uint8)), points * 2)
    assert np.abs(larger.astype(int) - crop).mean() < 5


def test_programs_run_as_their_references_call_them(tmp_path):
    torch.jit.script(ScriptedVideo()).save(str(tmp_path / "i3d.pt"))
    network = exported.load_script(tmp_path / "i3d.pt")
    windows = np.random.default_rng(0).integers(0, 256, (2, 16, 64, 64, 3)).astype(np.uint8)
    assert exported.video_features(network, windows).shape == (2, 400)
    torch.jit.script(ScriptedPose()).save(str(tmp_path / "pose.pt"))
    found = exported.pose_matrices(exported.load_script(tmp_path / "pose.pt"), coarse_pictures(2, 64))
    np.testing.assert_array_equal(found, np.stack([np.eye(3)] * 2))


def onnx_embedding(path):
    """An ONNX file with ArcFace's input and output."""
    weights = np.random.default_rng(0).normal(0, 0.01, (3, 512)).astype(np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["input.1"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["683"]),
    ]
    graph = helper.make_graph(
        nodes, "arcface",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["N", 3, 112, 112])],
        [helper.make_tensor_value_info("683", TensorProto.FLOAT, ["N", 512])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9)
    onnx.save(model, str(path))
    return weights


def test_identity_reads_onnx(tmp_path):
    weights = onnx_embedding(tmp_path / "w600k_r50.onnx")
    crops = coarse_pictures(3, 112, 8)
    found = exported.identity_embeddings(exported.load_onnx(tmp_path / "w600k_r50.onnx"), crops)
    expected = ((crops.astype(float) - 127.5) / 127.5).mean(axis=(1, 2)) @ weights
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_bad_files_name_themselves_and_run_nothing(tmp_path):
    marker = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    path = tmp_path / "hostile.pth"
    path.write_bytes(pickle.dumps({"state_dict": Hostile()}))
    with pytest.raises(WeightsError, match=r"hostile\.pth"):
        read_state(path)
    torch.save({"state_dict": Hostile()}, path)
    with pytest.raises(WeightsError, match=r"hostile\.pth"):
        read_state(path)
    assert not marker.exists()
    (tmp_path / "text.pth").write_text("no weights")
    for load in (exported.load_script, exported.load_onnx, read_state, inception.load_fid):
        with pytest.raises(WeightsError, match=r"text\.pth"):
            load(tmp_path / "text.pth")


def test_other_weights_are_refused(tmp_path):
    path = saved(randomised(alexnet(weights=None)), tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"names missing.*unknown"):
        syncnet.load(path)
