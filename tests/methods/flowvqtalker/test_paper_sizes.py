"""The paper's sizes run: one training step of each job on the processor, pictures at 256 pixels, batch 1."""

import numpy as np
import pytest
import torch

from gmbench.methods.expression_code import ExpressionCode
from gmbench.methods.flowvqtalker.codebook_training import train_codebook
from gmbench.methods.flowvqtalker.flow_training import train_expflow, train_poseflow
from gmbench.methods.flowvqtalker.image_training import frame_pairs, load_code, train_vqig
from gmbench.methods.flowvqtalker.settings import Settings
from gmbench.methods.scaling import Scale
from gmbench.methods.tracks import POSE
from gmbench.morphable.synthetic.model import synthetic_model
from tests.methods.flowvqtalker.made import EMOTIONS, FACTS, made_clips, made_people

PAPER = Settings()
ONE = {"steps": 1, "batch": 1}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def _one_step(part, **changes):
    return part.model_copy(update={"train": part.train.model_copy(update=ONE), **changes})


@pytest.mark.slow
def test_both_flows():
    clips = made_clips(3)
    settings = _one_step(PAPER.expflow)
    _, report = train_expflow(clips, made_clips(1, seed=1), EMOTIONS, FACTS, synthetic_model(), settings, 0)
    assert report.parameters > 3e7
    assert np.isfinite(report.log[-1]["likelihood"])
    _, report = train_poseflow(clips, FACTS, _one_step(PAPER.poseflow), 0)
    assert np.isfinite(report.log[-1]["likelihood"])


@pytest.mark.slow
def test_both_picture_parts(tmp_path):
    clips = made_clips(3, frames=30)
    people, motion = made_people(clips, side=256)
    content, report = train_codebook(people, _one_step(PAPER.codebook, side=256, gate=0.0), 0)
    assert {"rec", "code", "commitment", "d", "g"} <= set(report.log[-1])
    (tmp_path / "codebook.safetensors").write_bytes(content)
    code, pose = ExpressionCode.fit(clips, synthetic_model(), "landmarks"), Scale.of([c.rho[:, POSE] for c in clips])
    pairs = frame_pairs(people, motion, code, pose)
    _, report = train_vqig(
        pairs, load_code(tmp_path / "codebook.safetensors"), code, pose, _one_step(PAPER.vqig, image_from=0), 0
    )
    assert {"ce", "feat", "warp", "rec", "d", "g"} <= set(report.log[-1])
    assert report.frozen_parameters > 5e7
