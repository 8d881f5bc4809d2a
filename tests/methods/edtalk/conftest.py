"""EDTalk trained at tiny sizes, once for all tests."""

import numpy as np
import pytest
import torch

from gmbench.methods.edtalk.backbone_training import train_backbone
from gmbench.methods.edtalk.decouple_training import train_decouple
from gmbench.methods.edtalk.expression_training import train_expression
from gmbench.methods.edtalk.frames import TrainingFrames
from gmbench.methods.edtalk.lip_training import train_lips
from gmbench.methods.edtalk.pose_training import train_posemotion
from gmbench.methods.edtalk.semantics_training import SpokenClip, train_semantics
from gmbench.methods.edtalk.teacher_training import face_labels, train_teachers
from tests.methods.edtalk.made import FACTS, SIDE, SMALL, made_mels, made_motion, made_people, made_sound


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    torch.set_num_threads(1)


def made_tracks(count=3, frames=20):
    """Smooth poses that follow their sound's first feature, and the features."""
    generator = np.random.default_rng(0)
    audio = [generator.normal(0, 1, (frames, 160)).astype(np.float32) for _ in range(count)]
    tracks = [np.cumsum(generator.normal(0, 0.2, (frames, 6)), axis=0).astype(np.float32) for _ in range(count)]
    return tracks, audio


def made_spoken():
    """Clips whose weights follow their words."""
    generator = np.random.default_rng(1)
    texts = ("so happy", "", "what rage", "so happy")
    features = generator.normal(0, 1, (len(texts), 20, 160)).astype(np.float32)
    weights = [np.full(10, len(text) / 5, np.float32) for text in texts]
    return [SpokenClip(made_sound(20, n), features[n], text, weights[n]) for n, text in enumerate(texts)]


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with all checkpoints, and the reports of their trainings by name."""
    folder = tmp_path_factory.mktemp("edtalk")
    return folder, write_networks(folder)


def write_networks(folder):
    """Train all networks for some steps and write them; the reports by name."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    reports = {}

    def keep(name, result):
        (folder / f"{name}.safetensors").write_bytes(result[0])
        reports[name] = result[1]
        return folder / f"{name}.safetensors"

    people = made_people()
    frames, mels = TrainingFrames(people, SIDE), made_mels(people)
    backbone = keep("backbone", train_backbone(people, SMALL.backbone, 0))
    decouple = keep("decouple", train_decouple(made_people(side=32), backbone, SMALL.decouple, SMALL.spaces, 0))
    labels = face_labels(frames, made_motion(people))
    teachers = keep("teachers", train_teachers(frames, labels, mels, SMALL.teachers, 0))
    keep("expression", train_expression(people, decouple, teachers, SMALL.expression, SMALL.spaces, 0))
    keep("lips", train_lips(people, mels, decouple, teachers, SMALL.lips, 0))
    keep("posemotion", train_posemotion(*made_tracks(), FACTS, SMALL.posemotion, 0))
    keep("semantics", train_semantics(made_spoken(), FACTS, SMALL.semantics, 0))
    (folder / "generation.json").write_text(SMALL.generation.model_dump_json())
    return reports
