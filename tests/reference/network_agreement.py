"""Feature extractors against their references under shared random weights.

``python -m tests.reference.network_agreement`` prints the table of the docs.
"""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import lpips
import numpy as np
import torch
from torch import nn
from torchvision.models import alexnet, inception_v3, resnet18, vgg16

from gmbench.extractors import affectnet, emotion_fan, inception, s3fd, syncnet, trunks
from gmbench.metrics.frechet import frechet_distance
from tests.reference import networks as slow
from tests.reference.agreement import Agreement
from tools.random_networks import coarse_pictures, pytorch_fid_network, randomised


def saved(network, path, **extra):
    """A file as the projects publish theirs."""
    torch.save({"state_dict": network.state_dict(), **extra} if extra else network.state_dict(), path)
    return path


def relative(found, expected):
    """Largest difference in shares of the largest expected value."""
    return float(np.abs(np.asarray(found) - expected).max() / np.abs(expected).max())


def fid(folder, side):
    """FID of two sets of six frames by pytorch-fid's network and by ours: relative difference."""
    path = saved(randomised(inception.FidInception()), folder / "inception.pth")
    ours, reference = inception.load_fid(path), pytorch_fid_network(torch.load(path, weights_only=True))
    features = []
    for seed in (0, 1):
        images = coarse_pictures(6, side, seed)
        mine = np.concatenate([inception.fid_features(ours, images[i : i + 4]) for i in (0, 4)])
        with torch.no_grad():
            theirs = reference(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)[0][:, :, 0, 0].numpy()
        features.append((mine, theirs))
    own, other = (frechet_distance(features[0][i], features[1][i]) for i in (0, 1))
    return abs(own / other - 1)


def fid_eat(folder):
    source = randomised(inception_v3(weights=None, init_weights=False))
    network = inception.load_eat(saved(source, folder / "v3.pth"))
    crop = coarse_pictures(1, 128)[0]
    found = inception.eat_features(network, crop[None])
    source.fc, source.transform_input = nn.Identity(), False
    x = cv2.resize(np.ascontiguousarray(crop[..., ::-1]), (299, 299)).transpose(2, 0, 1)[None] / 255.0 * 2 - 1
    scale, shift = np.array([0.229, 0.224, 0.225]), np.array([0.485, 0.456, 0.406])
    x = x * (scale / 0.5)[:, None, None] + ((shift - 0.5) / 0.5)[:, None, None]
    with torch.no_grad():
        return relative(found, source(torch.from_numpy(x).float()).numpy())


def lpips_of(folder, kind):
    source = randomised({"alex": alexnet, "vgg": vgg16}[kind](weights=None))
    ours = trunks.load_lpips(kind, saved(source, folder / "trunk.pth"))
    package = lpips.LPIPS(net=kind, pnet_rand=True, verbose=False).eval()
    own = source.features.state_dict()
    package.net.load_state_dict({name: own[name.split(".", 1)[1]] for name in package.net.state_dict()})
    a, b = coarse_pictures(2, 64, 5)
    with torch.no_grad():
        x, y = (torch.from_numpy(f).permute(2, 0, 1)[None].float() / 127.5 - 1 for f in (a, b))
        expected = float(package(x, y))
    return relative(ours(a, b), expected)


def sync_lips(folder):
    path = saved(randomised(syncnet.SyncNet()), folder / "syncnet_v2.model")
    stream, state, crops = (
        syncnet.LipStream(syncnet.load(path)),
        torch.load(path, weights_only=True),
        coarse_pictures(11, 224, 7),
    )
    for crop in crops:
        stream.add(crop)
    with torch.no_grad():
        return relative(stream.embeddings(), np.stack([slow.syncnet_lips(state, crops[i : i + 5]) for i in range(7)]))


def sync_sound(folder):
    path = saved(randomised(syncnet.SyncNet()), folder / "syncnet_v2.model")
    state, mfcc = torch.load(path, weights_only=True), np.random.default_rng(0).normal(0, 5, (60, 13))
    found = syncnet.sound_embeddings(syncnet.load(path), mfcc, 6)
    with torch.no_grad():
        return relative(found, np.stack([slow.syncnet_sound(state, mfcc[4 * i : 4 * i + 20]) for i in range(6)]))


def fan(folder, released):
    path = saved(randomised(emotion_fan.EmotionFan()), folder / "fan", epoch=61, prec1=np.float64(84.3655))
    network, chips = emotion_fan.load(path), coarse_pictures(5, 224, 2)
    logits = emotion_fan.clip_logits(network, emotion_fan.frame_features(network, chips), released)
    plain = resnet18(weights=None)
    plain.fc = nn.Identity()
    state = network.state_dict()
    plain.load_state_dict({name: state[name] for name in plain.state_dict()})
    return relative(logits, slow.emotion_fan(plain.eval(), state, chips, released))


def affect(folder):
    backbone, temporal = randomised(affectnet.Backbone()), randomised(affectnet.Temporal())
    static, _ = affectnet.load(saved(backbone, folder / "b.pt"), saved(temporal, folder / "t.pt"))
    face = coarse_pictures(1, 224, 9)[0]
    with torch.no_grad():
        return relative(affectnet.frame_feature(static, face), slow.affectnet_features(backbone.state_dict(), face))


def s3fd_boxes(folder):
    network = s3fd.load(saved(randomised(s3fd.S3FD()), folder / "sfd_face.pth"))
    image = coarse_pictures(1, 96, 4)[0]
    with torch.inference_mode():
        found = network(torch.from_numpy(image).permute(2, 0, 1)[None].float())
        small = [(score / 50, offset.clamp(-3, 3)) for score, offset in found]
        boxes, scores = s3fd.decode(small, 96, 96)
    expected_boxes, expected_scores = slow.s3fd_boxes(small, 96, 96)
    return max(relative(boxes, expected_boxes), relative(scores, expected_scores))


CHECKS: list[tuple[str, str, float, Callable[[Path], float]]] = [
    ("fid, 256 pixels", "pytorch-fid", 1e-6, lambda folder: fid(folder, 256)),
    ("fid, 512 pixels", "pytorch-fid", 1e-6, lambda folder: fid(folder, 512)),
    ("fid_eat features", "torchvision, by hand", 1e-4, fid_eat),
    ("lpips_alex", "lpips", 1e-5, lambda folder: lpips_of(folder, "alex")),
    ("lpips_vgg", "lpips", 1e-5, lambda folder: lpips_of(folder, "vgg")),
    ("SyncNet, lips", "own, window by window", 1e-5, sync_lips),
    ("SyncNet, sound", "own, window by window", 1e-5, sync_sound),
    ("Emotion-FAN, released", "own, frame by frame", 1e-4, lambda folder: fan(folder, released=True)),
    ("Emotion-FAN, formula", "own, frame by frame", 1e-4, lambda folder: fan(folder, released=False)),
    ("EMO-AffectNet features", "own, by functions", 1e-4, affect),
    ("S3FD boxes", "own, cell by cell", 1e-5, s3fd_boxes),
]


def measure(check):
    """One row of the table."""
    metric, against, tolerance, function = check
    with tempfile.TemporaryDirectory() as folder:
        return Agreement(metric, against, function(Path(folder)), tolerance, 1)


def main():
    print("| network or metric | reference | largest relative difference | tolerance |\n|---|---|---:|---:|")  # noqa: T201
    for check in CHECKS:
        with contextlib.redirect_stdout(None):
            row = measure(check)
        print(f"| {row.metric} | {row.against} | {row.difference:.1e} | {row.tolerance:.0e} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
