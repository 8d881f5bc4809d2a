"""Train an emotion network on a prepared dataset of real people, score it on people apart, and install its file.

Whoever judges methods must not know the people they are tested on: the network learns from people of the dataset whom
no method is trained or tested on. Of CREMA-D these are the 76 actors that the split sets apart.
"""

import io
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gmbench import provenance, shards, weights
from gmbench.config import DatasetSection
from gmbench.datasets import manifest
from gmbench.datasets.manifest import HELD_OUT, OTHER, TRAIN, ClipRow
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError
from gmbench.extractors import emotion_fan, user_training
from gmbench.extractors.user_training import EmotionChips, UserTraining
from gmbench.face.crops import CHIP_SIZE, fan224_matrix
from gmbench.face.landmarks_68 import mesh_vertices
from gmbench.media import Video
from gmbench.names import closest, counted
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.store import file_digest
from gmbench.weights import files

KINDS = ("emotion", "emotion_vgg")
HELD_OUT_SHARE = 0.1
"""Share of the people whom the network does not learn from, and who score it; at least one."""


def train_extractor(
    run: PipelineRun, section: DatasetSection, kind: str, settings: UserTraining, frames: int = 8,
    on_training_clips: bool = False,
) -> tuple[Path, dict[str, Any]]:  # fmt: skip
    """Train, score and install a network; its file, and the report that lies beside it.

    Args:
        run: of the dataset, whose stages crop and landmarks are done.
        section: of the dataset.
        kind: ``emotion`` (Emotion-FAN, of CREMA-D) or ``emotion_vgg`` (the VGG of E-PPL).
        settings: how to train.
        frames: of each clip, equally spaced.
        on_training_clips: learn from the clips that methods learn from, where nobody else is there.

    Raises:
        InputError: an unknown kind, a dataset that the kind is not for, nobody to learn from, or a network that is no
            better than chance.
    """
    name, order = _target(kind, section)
    rows = learnt_from(manifest.read(run.paths.cropped), order, on_training_clips, run.paths.dataset)
    people = sorted({row.speaker for row in rows})
    drawn = np.random.default_rng([settings.seed, 72]).permutation(people).tolist()
    apart = sorted(drawn[: max(1, round(HELD_OUT_SHARE * len(people)))])
    with tempfile.TemporaryDirectory(dir=_scratch(run)) as folder:
        data = read_chips(run, rows, order, frames, Path(folder))
        learnt, tested = data.of([person for person in people if person not in apart]), data.of(apart)
        if not len(learnt.emotion) or not len(tested.emotion):
            raise InputError(
                f"{run.paths.dataset}: no faces in the clips of {counted(len(people), 'person', 'people')}"
            )
        network, held_out = _train(kind, learnt, tested, order, settings, run)
    buffer = io.BytesIO()
    torch.save({name: value.cpu().contiguous() for name, value in network.state_dict().items()}, buffer)
    facts: dict[str, Any] = provenance.describe({})
    report = {
        "kind": kind, "dataset": run.paths.dataset, "layout": section.kind,
        "recipe": asdict(settings) | {"start": _start_facts(settings), "frames_per_clip": frames},
        "people": sorted(set(learnt.speaker)), "held_out_people": apart, "clips": len(learnt.emotion),
        "clips_without_enough_faces": len(rows) - len(data.emotion),
        "knows_people_of_the_benchmark": on_training_clips, "emotions": list(order), "held_out": held_out,
        "landmarks": section.landmarks, "manifest": file_digest(run.paths.cropped),
        "code": {"gmbench": facts["gmbench"], "commit": facts["commit"], "torch": facts["packages"]["torch"]},
    }  # fmt: skip
    return files.install(name, buffer.getvalue(), report), report


def learnt_from(rows: Sequence[ClipRow], order: Sequence[str], on_training_clips: bool, dataset: str) -> list[ClipRow]:
    """Labelled clips of people whom no method is trained or tested on; those set apart alone where there are any.

    Raises:
        InputError: fewer than two people.
    """
    known = {row.speaker for row in rows if row.split not in (HELD_OUT, OTHER)}
    apart = [row for row in rows if row.speaker not in known and row.emotion in order]
    chosen = [row for row in apart if row.split == HELD_OUT] or apart
    remedy = "add people, or pass --on-training-clips, which the report will say"
    if on_training_clips:
        chosen = [row for row in rows if row.split == TRAIN and row.emotion in order]
        remedy = "at least two are needed, one of them to score the network"
    if len({row.speaker for row in chosen}) < 2:
        count = counted(len({row.speaker for row in chosen}), "person", "people")
        raise InputError(f"{dataset}: labelled clips of {count} to learn from whom no method knows; {remedy}")
    return chosen


def read_chips(
    run: PipelineRun, rows: Sequence[ClipRow], order: Sequence[str], frames: int, folder: Path
) -> EmotionChips:
    """Aligned faces of clips, equally spaced frames of each; clips with fewer frames with a face are left out."""
    chips = np.lib.format.open_memmap(
        folder / "chips.npy", "w+", np.uint8, (len(rows), frames, CHIP_SIZE, CHIP_SIZE, 3)
    )
    kept: list[ClipRow] = []
    for speaker in sorted({row.speaker for row in rows}):
        meshes = dict(shards.clips(run.paths.landmarks, speaker, ["mesh"]))
        for row in (row for row in rows if row.speaker == speaker and row.clip_id in meshes):
            faces = _faces(run.paths.crops / row.video_path, meshes[row.clip_id]["mesh"], frames)
            if faces is not None:
                chips[len(kept)] = faces
                kept.append(row)
    emotion = np.array([order.index(row.emotion) for row in kept], np.int64)
    return EmotionChips(chips[: len(kept)], emotion, tuple(row.speaker for row in kept))


def _faces(video: Path, mesh: NDArray[np.float32], count: int) -> NDArray[np.uint8] | None:
    """Chips (count, 224, 224, 3) of equally spaced frames with a face; None where there are fewer."""
    points = mesh[:, mesh_vertices()].astype(np.float64)
    there = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))
    if len(there) < count:
        return None
    chosen = set(there[np.linspace(0, len(there) - 1, count).round().astype(int)].tolist())
    chips = [
        cv2.warpAffine(frame, fan224_matrix(points[t]), (CHIP_SIZE, CHIP_SIZE), flags=cv2.INTER_LINEAR)
        for t, frame in enumerate(Video(video))
        if t in chosen
    ]
    return np.stack(chips).astype(np.uint8)


def _target(kind: str, section: DatasetSection) -> tuple[str, tuple[str, ...]]:
    """Name of the weights, and the order of their outputs."""
    if kind not in KINDS:
        raise InputError(f"no extractor {kind!r} is trained on users' data; {closest(kind, KINDS)}")
    if kind == "emotion_vgg":
        return "emotion_vgg16", SUITE_ORDER
    name = f"emotion_fan_{section.kind}"
    if name not in emotion_fan.ORDERS or not weights.manifest()[name].command:
        raise InputError(
            f"the network 'emotion' is trained for a dataset of kind crema_d, not {section.kind}; that of MEAD is"
            " the published file emotion_fan_mead ('gmbench weights list')"
        )
    return name, emotion_fan.ORDERS[name]


def _train(
    kind: str,
    learnt: EmotionChips,
    tested: EmotionChips,
    order: Sequence[str],
    settings: UserTraining,
    run: PipelineRun,
) -> tuple[nn.Module, dict[str, Any]]:
    """The network, and its score on the people apart."""
    network: Any
    if kind == "emotion":
        network = user_training.train_fan(learnt, len(order), settings, run.report)
        probabilities = user_training.fan_probabilities(network, tested, settings.side)
    else:
        network = user_training.train_vgg(learnt, settings, run.report)
        probabilities = user_training.vgg_probabilities(network, tested, settings.side)
    return network, user_training.score(probabilities, tested, order)


def _start_facts(settings: UserTraining) -> dict[str, str] | None:
    path = settings.start
    return {"file": path.name, "sha256": file_digest(path)} if path else None


def _scratch(run: PipelineRun) -> Path:
    """Folder for the chips, which may be many: on the disk of the store."""
    folder = run.store.root / "training"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
