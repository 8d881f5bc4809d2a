"""The paper's sizes run: one training step of each job on the processor, pictures at 64 pixels, batch 1."""

import numpy as np
import pytest

from gmbench.methods.edtalk.backbone_training import train_backbone
from gmbench.methods.edtalk.decouple_training import train_decouple
from gmbench.methods.edtalk.expression_training import train_expression
from gmbench.methods.edtalk.frames import TrainingFrames
from gmbench.methods.edtalk.lip_training import train_lips
from gmbench.methods.edtalk.pose_training import train_posemotion
from gmbench.methods.edtalk.semantics_training import train_semantics
from gmbench.methods.edtalk.settings import Settings
from gmbench.methods.edtalk.teacher_training import face_labels, train_teachers
from tests.methods.edtalk.conftest import made_spoken, made_tracks
from tests.methods.edtalk.made import FACTS, made_mels, made_motion, made_people

PAPER = Settings()


def _one_step(part, batch=1, **changes):
    return part.model_copy(update={"train": part.train.model_copy(update={"steps": 1, "batch": batch}), **changes})


@pytest.mark.slow
def test_one_step_of_each_job(tmp_path):
    people = made_people(2, frames=6, side=64)
    wide = made_people(2, frames=6, side=128)

    def keep(name, result):
        (tmp_path / name).write_bytes(result[0])
        assert all(np.isfinite(value) for value in result[1].log[-1].values())
        return tmp_path / name, result[1]

    backbone, report = keep("backbone", train_backbone(people, _one_step(PAPER.backbone, side=64, gate=False), 0))
    assert report.parameters > 3e7
    settings = _one_step(PAPER.decouple)
    decouple, _ = keep("decouple", train_decouple(wide, backbone, settings, PAPER.spaces, 0))
    frames, mels = TrainingFrames(people, 64), made_mels(people)
    labels = face_labels(frames, made_motion(people))
    teachers, _ = keep("teachers", train_teachers(frames, labels, mels, _one_step(PAPER.teachers, 2), 0))
    settings = _one_step(PAPER.expression)
    _, report = keep("expression", train_expression(people, decouple, teachers, settings, PAPER.spaces, 0))
    assert report.frozen_parameters > 1e7
    keep("lips", train_lips(people, mels, decouple, teachers, _one_step(PAPER.lips), 0))
    keep("posemotion", train_posemotion(*made_tracks(), FACTS, _one_step(PAPER.posemotion), 0))
    keep("semantics", train_semantics(made_spoken(), FACTS, _one_step(PAPER.semantics, 2), 0))
