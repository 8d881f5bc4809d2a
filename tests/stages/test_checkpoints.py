"""The stage ``checkpoints``: a new system leaves the file of every other one as it was."""

import json
from types import SimpleNamespace

from gmbench.stages.checkpoints import write_checkpoints
from gmbench.stages.paths import DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun


def trained(system, content, **settings):
    folder = f"models/synth/{system}"
    card = {"system": system, "checkpoints": {"net.safetensors": ""}, "settings": settings, "parts": {}}
    return {f"{folder}/net.safetensors": content, f"{folder}/card.json": json.dumps(card)}


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_files_follow_their_own_system_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def written(*methods):
        params = SimpleNamespace(methods=list(methods), datasets={})
        write_checkpoints(PipelineRun(params, DatasetPaths("synth"), None))
        return {path.name: path.read_text() for path in (tmp_path / "work/synth/checkpoints").iterdir()}

    write(tmp_path, trained("gmtalker", "one", steps=3))
    first = written("render", "gmtalker", "gmtalker-pose", "made_elsewhere")
    assert (
        json.loads(first["render.json"])["checkpoints"] == json.loads(first["made_elsewhere.json"])["checkpoints"] == ""
    )
    assert (
        json.loads(first["gmtalker.json"])["checkpoints"]
        == json.loads(first["gmtalker-pose.json"])["checkpoints"]
        != ""
    )
    write(tmp_path, trained("flowvqtalker", "two"))
    second = written("render", "gmtalker", "gmtalker-pose", "made_elsewhere", "flowvqtalker")
    assert {name: second[name] for name in first} == first
    write(tmp_path, trained("gmtalker", "other", steps=3))
    third = written("render", "gmtalker", "flowvqtalker")
    assert third["gmtalker.json"] != first["gmtalker.json"]
    assert third["flowvqtalker.json"] == second["flowvqtalker.json"]
    write(tmp_path, trained("gmtalker", "other", steps=4))
    assert written("gmtalker")["gmtalker.json"] != third["gmtalker.json"]
