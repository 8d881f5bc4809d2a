"""What systems read of clips: their embeddings by sound, face or both, and how apart emotions lie in them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmbench.audio.hubert import to_video_rate
from gmbench.datasets.manifest import ClipRow
from gmbench.evaluation.results import records
from gmbench.evaluation.results.records import WHOLE_SET, Record
from gmbench.methods import registry
from gmbench.methods.interface import EmbedsEmotion, HasLatents, MissingInput, TalkingHeadMethod
from gmbench.methods.registry import System
from gmbench.morphable import coefficient_io
from gmbench.reporting.latents import Latents, latent_rows
from gmbench.shards import read as read_shard
from gmbench.stages.evaluation_plan import evaluation_protocol
from gmbench.stages.fit import training_coefficients
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.requests import RequestPlanner, read_reference
from gmbench.stages.scored_clips import all_rows
from gmbench.stages.train import checkpoint_folder
from gmbench.stages.verdicts import way_name

MEASURED = ("d_cls",)


def emotion_spaces(run: PipelineRun, method: TalkingHeadMethod) -> dict[str, Latents]:
    """Embeddings of all clips by what is read of them, held-out ones too; empty where a method reads none.

    Clips that the method cannot embed, since they were not fitted, are left out.
    """
    if not isinstance(method, EmbedsEmotion):
        return {}
    kept: list[ClipRow] = []
    spaces: dict[str, list[NDArray[np.float32]]] = {}
    planner = RequestPlanner(run, method.card)
    for row in all_rows(run):
        reference = read_reference(planner.inputs(row, ()).clip)
        try:
            embedded = [method.embed_clip(reference, modality) for modality in method.modalities]
        except MissingInput:
            continue
        kept.append(row)
        for modality, vector in zip(method.modalities, embedded, strict=True):
            spaces.setdefault(modality, []).append(vector)
    return {name: _labelled(values, kept) for name, values in spaces.items()}


def expression_space(run: PipelineRun, method: TalkingHeadMethod) -> Latents | None:
    """Latents of all clips' expressions, held-out ones too; None where a method has none."""
    if not isinstance(method, HasLatents):
        return None
    rows = all_rows(run)
    return _labelled([_posterior(run, method, row) for row in rows], rows)


def measure_clusters(run: PipelineRun, systems: Sequence[System]) -> pd.DataFrame:
    """Records of the clustering strength of systems' embeddings by what is read: the mean over emotions that have one.

    Raises:
        InputError: a system is not trained.
    """
    protocol = evaluation_protocol(run.params.datasets[run.paths.dataset])
    found = []
    for system in systems:
        method = registry.load(system.method, checkpoint_folder(run, system))
        for modality, space in emotion_spaces(run, method).items():
            rows = [row for row in latent_rows(space) if row["measure"] == MEASURED[0] and row["emotion"]]
            values = [row["value"] for row in rows if np.isfinite(row["value"])]
            defined, clips = bool(values), len(space.embeddings)
            record = Record(
                method=way_name(modality, system.seed), dataset=run.paths.dataset, clip=WHOLE_SET, metric=MEASURED[0],
                value=float(np.mean(values)) if defined else np.nan, status="ok" if defined else "undefined",
                reason="" if defined else "nobody has two clips of one emotion and clips of another",
                clips_used=clips if defined else 0, clips_expected=clips, protocol=protocol.name,
                protocol_hash=protocol.hash, backend="official", weights_sha256="", metric_name=MEASURED[0],
                metric_version=1,
            )  # fmt: skip
            found.append(record)
    return records.frame(found)


def _labelled(values: Sequence[NDArray[np.float32]], rows: Sequence[ClipRow]) -> Latents:
    names = [np.array([getattr(row, key) for row in rows]) for key in ("emotion", "speaker")]
    return Latents(np.stack(values).astype(np.float64), *names)


def _posterior(run: PipelineRun, method: HasLatents, row: ClipRow) -> NDArray[np.float32]:
    folder = training_coefficients(run, run.params.datasets[run.paths.dataset])
    beta = coefficient_io.read(folder, row.speaker, row.clip_id)["beta"]
    sound = read_shard(run.paths.audio, row.speaker, row.clip_id, ["features"])["features"]
    return method.posterior(beta, to_video_rate(sound, len(beta), run.params.audio.pair))
