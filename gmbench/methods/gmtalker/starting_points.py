"""Where the expression and motion generators begin: from nothing, from drawn people, or from another training's files.

Drawn people are the synthetic corpus', as coefficients and sound without pictures: what is learnt from them is how lips
and head follow speech, not what anybody looks like.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gmbench.corpus.make import CORPUS_VERSION
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError, WeightsError
from gmbench.methods.gmtalker.checkpoints import CHECKPOINTS
from gmbench.methods.gmtalker.settings import DRAWN, Settings
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.scaling import Scale
from gmbench.methods.track_people import draw_people
from gmbench.methods.tracks import ClipTracks
from gmbench.store import digest, file_digest

EXPRESSIONS, MOTION = "gmeg.safetensors", "pretrained.safetensors"
_NEUTRAL = "neutral"
_EVERYBODY = "drawn"
"""Speaker of all drawn people: they share one embedding, from which a new person's begins."""


def check_start(settings: Settings, dataset: PreparedDataset) -> None:
    """Raise InputError where the starting point belongs to another face model or other audio features."""
    source = settings.start.source
    if not source:
        return
    if source == DRAWN:
        model = json.loads(dataset.face_model.with_suffix(".json").read_text("utf-8")).get("version")
        if dataset.audio_facts["extractor"] != "logmel" or model != "synthetic":
            raise InputError(
                "gmtalker: start.source: people are drawn with log-mel features and the synthetic face model, and"
                f" {dataset.dataset} has {dataset.audio_facts['extractor']} and {model}; name a folder of checkpoints"
                " that were trained with these, or leave it empty"
            )
        return
    facts = CHECKPOINTS.read_facts(Path(source) / EXPRESSIONS, "gmeg")
    if facts["audio"] != dict(dataset.audio_facts):
        raise InputError(f"{source}: learnt with other audio features, {facts['audio']}; use those, or another start")
    model = Path(source) / "face_model.npz"
    if model.exists() and file_digest(model) != file_digest(dataset.face_model):
        raise InputError(f"{source}: learnt with another face model; use that one, or another start")


def start_digest(settings: Settings, seed: int) -> str:
    """Digest of a starting point, for the keys of the trainings that begin there; empty for none."""
    start = settings.start
    if start.source in ("", DRAWN):
        known = [start.model_dump(mode="json"), settings.gmeg.model_dump(mode="json", exclude={"train"})]
        return digest("start", seed, CORPUS_VERSION, *known) if start.source else ""
    files = [Path(start.source) / name for name in (EXPRESSIONS, MOTION)]
    return digest("start", *(file_digest(path) for path in files if path.exists()))


def expression_start(settings: Settings) -> Path | None:
    """The user's file that the expression generator begins from."""
    return None if settings.start.source in ("", DRAWN) else Path(settings.start.source) / EXPRESSIONS


def motion_start(settings: Settings) -> Path | None:
    """The user's file of a motion generator for many people, where the starting point has one."""
    if settings.start.source in ("", DRAWN) or not settings.nfmg.pretrained:
        return None
    path = Path(settings.start.source) / MOTION
    return path if path.exists() else None


def draw_start(settings: Settings, pair: str) -> list[ClipTracks]:
    """Clips of drawn people in all emotions at two levels, all under one speaker's name."""
    clips = draw_people(settings.start.people, SUITE_ORDER, (1, 3), settings.gmeg.window[1], pair)
    return [replace(clip, speaker=_EVERYBODY) for clip in clips]


def begin_expressions(network: nn.Module, path: Path, emotions: Sequence[str], audio: Mapping[str, Any]) -> Scale:
    """Load an expression generator of other people and emotions into a new one; gives its scale.

    Components and labels go by their emotions' names; an emotion that was not learnt, and clips without labels, begin
    as neutral. Every speaker begins as the mean of those that were learnt.

    Raises:
        WeightsError: the file belongs to other sizes or audio features.
    """
    facts = CHECKPOINTS.read_facts(path, "gmeg")
    if facts["audio"] != dict(audio):
        raise WeightsError(f"{path}: learnt with other audio features, {facts['audio']}; choose another start")
    state, constants = CHECKPOINTS.read_state(path)
    known = list(facts["emotions"])
    first = known.index(_NEUTRAL) if _NEUTRAL in known else 0
    places = [known.index(name) if name in known else first for name in emotions]
    wanted = network.state_dict()
    for name, value in state.items():
        if name in wanted:
            state[name] = _for_emotions(name, value, wanted[name], places, len(known))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(
            f"{path}: a generator of other sizes ({error}); take its settings, or another start"
        ) from error
    return Scale(constants["mean"], constants["deviation"])


def _for_emotions(name: str, value: Tensor, wanted: Tensor, places: Sequence[int], known: int) -> Tensor:
    """A weight for other emotions and speakers than those that it was learnt for."""
    if name == "speaker.weight":
        return value.mean(dim=0, keepdim=True).expand_as(wanted).clone()
    if name == "label.weight":
        return value[:, list(places)]
    if name == "mapper.components" and len(value) == known:
        return value[list(places)]
    if name.startswith(("mapper.means", "mapper.log_variances")) and value.shape != wanted.shape:
        return torch.cat([value.chunk(known)[place] for place in places])
    return value
