"""Train the networks that judge on the corpus: today the landmarker."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from gmbench.corpus.truth import Truth
from gmbench.evaluators import landmarker
from gmbench.executor import one_thread
from gmbench.face.points import mesh_vertices
from gmbench.media import Video
from gmbench.morphable.landmark_sets import OUTER_EYE_CORNERS, SPARSE
from gmbench.stages.layout import EVALUATORS
from gmbench.stages.run import Run, write_json

LANDMARKS = np.union1d(SPARSE, mesh_vertices())
"""Points that the network learns: those that fitting and the 68-point metrics use."""


def train(run: Run, root: Path) -> None:
    """Train the landmarker on a corpus and report its error on speakers that it never saw."""
    settings, truth = run.params.landmarker, Truth(root)
    corpus = truth.clips[truth.clips["clip_id"].str.startswith("synth/")]
    speakers = sorted(corpus["speaker"].unique())
    held_out = speakers[len(speakers) - min(settings.held_out, len(speakers) - 1) :]
    known = truth.clips[~truth.clips["speaker"].isin(held_out)]
    frames, points = frames_and_points(root, truth, list(known["clip_id"]), settings.every)
    with one_thread():
        torch.use_deterministic_algorithms(True)
        training = landmarker.Training(settings.steps, settings.batch, settings.rate, run.params.seed)
        network = landmarker.train(frames, points, training, run.report)
        landmarker.write(EVALUATORS / "landmarker.safetensors", network, LANDMARKS)
        report: dict[str, Any] = {"training_frames": len(frames), "landmarks": len(LANDMARKS), "steps": settings.steps}
        report["known_speakers"] = error(
            network, frames[:: max(1, len(frames) // 200)], points[:: max(1, len(points) // 200)]
        )
        if held_out:
            unseen = truth.clips[truth.clips["speaker"].isin(held_out)]
            report["held_out_speakers"] = error(network, *frames_and_points(root, truth, list(unseen["clip_id"]), 25))
    write_json(EVALUATORS / "landmarker.json", report | {"held_out": held_out, "settings": settings.model_dump()})


def frames_and_points(root: Path, truth: Truth, clips: list[str], every: int) -> tuple[np.ndarray, np.ndarray]:
    """Every n-th frame (N, S, S, 3) of clips, and their landmarks (N, P, 2) in pixels."""
    frames, points = [], []
    for number, clip in enumerate(clips):
        first = number % every  # not always the same moment of a clip
        known = truth.frames(clip, ["landmarks"])["landmarks"]
        for t, frame in enumerate(Video(root / str(truth.clips.loc[clip, "video"]))):
            if t % every == first:
                frames.append(frame)
                points.append(known[t, LANDMARKS])
    return np.stack(frames), np.stack(points)


def error(network: landmarker.Landmarker, frames: np.ndarray, points: np.ndarray) -> dict[str, float]:
    """Mean distance of the points in pixels and in percent of the outer eye corners' distance."""
    distance = np.linalg.norm(landmarker.predict(network, frames) - points, axis=-1).mean(axis=1)
    corners = points[:, np.searchsorted(LANDMARKS, OUTER_EYE_CORNERS)]
    width = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=-1)
    return {
        "pixels": round(float(distance.mean()), 3),
        "percent_iod": round(float((100 * distance / width).mean()), 3),
        "frames": len(frames),
    }
