"""GMTalker's jobs: what each needs, and what its key depends on, so that ablations share what they do not change."""

from dataclasses import replace

import numpy as np
import pytest

from gmbench import shards
from gmbench.datasets.manifest import TEST, ClipRow
from gmbench.errors import InputError
from gmbench.methods.gmtalker.jobs import fit_all, training_jobs
from gmbench.methods.gmtalker.method import GMTalker
from gmbench.methods.interface import PreparedDataset


@pytest.fixture
def dataset(tmp_path):
    rows = tuple(
        ClipRow(f"d/{speaker}/sad/1/{n}", "d", speaker, "sad", 1, str(n), f"{speaker}{n}.mp4", "")
        for speaker in ("M1", "W1")
        for n in (1, 2)
    )
    names = ("crops", "landmarks", "coefficients", "audio", "renders")
    folders = [tmp_path / name for name in names]
    for folder, column in zip(folders[2:], ("beta", "features", "png"), strict=True):
        for row in rows[::2]:
            values = np.full((3, 2), len(row.clip_id) + ord(row.speaker[0]), np.float32)
            shards.write(folder, row.speaker, [(row.clip_id, {column: values})])
    return PreparedDataset("d", rows, *folders, {"extractor": "logmel"}, tmp_path / "model.npz", None, 64)


def _keys(dataset, ablations=(), seed=0, pretraining=None):
    settings = GMTalker().settings({}, ablations)
    return {job.name: job.key for job in training_jobs(dataset, pretraining or dataset, settings, seed)}


def _changed(one, other):
    return {name for name in one if one[name] != other.get(name)}


NETWORKS = {"gmeg", "pretrained", "head-M1", "head-W1", "nfmg-M1", "nfmg-W1"}


def test_jobs_and_their_needs(dataset):
    jobs = {job.name: job for job in training_jobs(dataset, dataset, GMTalker().settings({}), 0)}
    assert set(jobs) == NETWORKS
    assert {name for name, job in jobs.items() if job.needs} == {"nfmg-M1", "nfmg-W1"}
    assert jobs["nfmg-M1"].needs == ("pretrained",)
    assert [row.speaker for row in jobs["head-W1"].argument.rows] == ["W1", "W1"]
    alone = training_jobs(dataset, dataset, GMTalker().settings({}, ["wo_pretrain"]), 0)
    assert {job.name: job.needs for job in alone} == dict.fromkeys(NETWORKS - {"pretrained"}, ())


@pytest.mark.parametrize(
    ("ablation", "trained_anew"),
    [("wo_gm", {"gmeg"}), ("literal", {"gmeg"}), ("wo_flow", {"pretrained", "nfmg-M1", "nfmg-W1"}),
     ("wo_emn", {"head-M1", "head-W1"}), ("wo_pretrain", {"pretrained", "nfmg-M1", "nfmg-W1"})],
)  # fmt: skip
def test_ablations_share_what_they_do_not_change(dataset, ablation, trained_anew):
    assert _changed(_keys(dataset), _keys(dataset, [ablation])) == trained_anew


def test_keys_name_seed_data_and_labels(dataset):
    whole = _keys(dataset)
    assert _changed(whole, _keys(dataset, seed=1)) == NETWORKS
    relabelled = replace(dataset, rows=(replace(dataset.rows[0], emotion="happy"), *dataset.rows[1:]))
    assert _changed(whole, _keys(relabelled, pretraining=dataset)) == NETWORKS - {"pretrained"}
    picture = np.zeros((3, 2), np.float32)
    shards.write(dataset.renders, "W1", [("d/W1/sad/1/1", {"png": picture})])
    assert _changed(whole, _keys(dataset)) == {"head-W1"}


def test_nothing_to_learn_from_and_unknown_stages_are_named(dataset, tmp_path):
    tested = replace(dataset, rows=tuple(replace(row, split=TEST) for row in dataset.rows))
    with pytest.raises(InputError, match="d: no training clips; see the splits in the manifest"):
        list(training_jobs(tested, tested, GMTalker().settings({}), 0))
    with pytest.raises(InputError, match="gmtalker has no stage 'hair'; it has gmeg, nfmg and head"):
        fit_all(dataset, dataset, tmp_path, GMTalker().settings({}), 0, None, ["hair"])
