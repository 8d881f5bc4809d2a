"""GMTalker's jobs: what each needs, and what its key depends on, so that ablations share what they do not change."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gmbench import shards
from gmbench.datasets.manifest import TEST, ClipRow
from gmbench.errors import InputError
from gmbench.methods.gmtalker.jobs import fit_all, training_jobs
from gmbench.methods.gmtalker.method import GMTalker
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.training_jobs import TrainingFolder


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


def test_one_head_takes_those_of_seed_0_and_trains_the_rest_anew(dataset):
    """Claims that are not about heads cost seconds a seed; the same training has one key under either name."""
    first, second = _keys(dataset), _keys(dataset, seed=1)
    assert _changed(first, second) == NETWORKS
    shared = _keys(dataset, ["one_head"], seed=1)
    assert _changed(second, shared) == {"head-M1", "head-W1"}
    assert _changed(first, shared) == NETWORKS - {"head-M1", "head-W1"}
    assert _keys(dataset, ["one_head"]) == first
    (job, *_) = training_jobs(dataset, dataset, GMTalker().settings({}, ["one_head"]), 1)
    (plain, *_) = training_jobs(dataset, dataset, GMTalker().settings({}), 0)
    assert job.argument == plain.argument  # so that the file has the same bytes whoever trained it


def test_keys_name_seed_data_and_labels(dataset):
    whole = _keys(dataset)
    assert _changed(whole, _keys(dataset, seed=1)) == NETWORKS
    relabelled = replace(dataset, rows=(replace(dataset.rows[0], emotion="happy"), *dataset.rows[1:]))
    assert _changed(whole, _keys(relabelled, pretraining=dataset)) == NETWORKS - {"pretrained"}
    picture = np.zeros((3, 2), np.float32)
    shards.write(dataset.renders, "W1", [("d/W1/sad/1/1", {"png": picture})])
    assert _changed(whole, _keys(dataset)) == {"head-W1"}


def _with_track_people(dataset, count=2):
    settings = GMTalker().settings({"gmeg": {"track_people": count}})
    return {job.name: job.key for job in training_jobs(dataset, dataset, settings, 0)}


def _synthetic(dataset, tmp_path, version="synthetic"):
    (tmp_path / "model.json").write_text(json.dumps({"version": version}))
    (tmp_path / "truth").mkdir(exist_ok=True)
    (tmp_path / "truth" / "clips.parquet").write_bytes(b"rows")
    return replace(dataset, truth=tmp_path)


def test_track_people_are_part_of_the_expression_generators_key_alone(dataset, tmp_path):
    dataset = _synthetic(dataset, tmp_path)
    assert _changed(_keys(dataset), _with_track_people(dataset, 2)) == {"gmeg"}
    assert _changed(_with_track_people(dataset, 2), _with_track_people(dataset, 3)) == {"gmeg"}


def test_track_people_are_refused_beside_other_data(dataset, tmp_path):
    with pytest.raises(InputError, match=r"gmtalker: gmeg: track_people must be 0 for d: .* it is none"):
        _with_track_people(dataset)
    dataset = _synthetic(dataset, tmp_path, "v3")
    with pytest.raises(InputError, match=r"track_people must be 0 for d: .* face model, and its to v3"):
        _with_track_people(dataset)
    hubert = replace(dataset, audio_facts={"extractor": "hubert"})
    with pytest.raises(InputError, match=r"track_people must be 0 for d: .* logmel, and its are hubert"):
        _with_track_people(hubert)


def test_nothing_to_learn_from_and_unknown_stages_are_named(dataset, tmp_path):
    tested = replace(dataset, rows=tuple(replace(row, split=TEST) for row in dataset.rows))
    with pytest.raises(InputError, match="d: no training clips; see the splits in the manifest"):
        list(training_jobs(tested, tested, GMTalker().settings({}), 0))
    with pytest.raises(InputError, match="gmtalker has no stage 'hair'; it has gmeg, nfmg and head"):
        fit_all(dataset, dataset, tmp_path, GMTalker().settings({}), 0, None, ["hair"])


def test_drawn_people_are_part_of_the_keys_and_belong_to_the_corpus(dataset):
    settings = {"nfmg": {"pretrain_people": 8}}
    with pytest.raises(InputError, match="d: pretrain_people must be 0"):
        list(training_jobs(dataset, dataset, GMTalker().settings(settings), 0))
    corpus = replace(dataset, truth=dataset.crops)
    drawn = [GMTalker().settings({"nfmg": {"pretrain_people": count}}) for count in (8, 9)]
    keys = [{job.name: job.key for job in training_jobs(corpus, corpus, chosen, 0)} for chosen in drawn]
    assert _changed(*keys) == {"pretrained", "nfmg-M1", "nfmg-W1"}


def test_without_pretraining_a_person_gets_as_many_updates(dataset, monkeypatch):
    from gmbench.methods.gmtalker import jobs

    asked = []
    monkeypatch.setattr(jobs, "read_clips", lambda *a: ["clip"])
    monkeypatch.setattr(jobs, "train_nfmg", lambda *a, **k: asked.append(a[3]))
    settings = GMTalker().settings({})
    folder = TrainingFolder(dataset.crops, {}, print)
    for job in training_jobs(dataset, dataset, GMTalker().settings({}, ["wo_pretrain"]), 0):
        if job.name == "nfmg-M1":
            job.function(job.argument, folder)
    both = settings.nfmg.pretrain, settings.nfmg.finetune
    assert asked[0].steps == sum(part.steps for part in both)
    assert (asked[0].batch, asked[0].rate) == (both[0].batch, both[0].rate)
