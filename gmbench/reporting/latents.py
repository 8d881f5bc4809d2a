"""The order of a latent space: numbers of the space itself, and a t-SNE map to look at."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.errors import InputError
from gmbench.metrics import latents
from gmbench.reporting import figures
from gmbench.store import write_atomically


@dataclass(frozen=True)
class Latents:
    """Embeddings (n, d) with the emotion and the speaker of each."""

    embeddings: NDArray[np.float64]
    emotion: NDArray[np.str_]
    speaker: NDArray[np.str_]


def read_latents(path: Path) -> Latents:
    """Read an NPZ with ``embeddings`` (n, d), ``emotion`` (n,) and optionally ``speaker`` (n,).

    Raises:
        InputError: no such file, arrays missing or of other shapes, or a value that is no number.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            x, emotion = np.asarray(file["embeddings"], np.float64), file["emotion"].astype(str)
            speaker = file["speaker"].astype(str) if "speaker" in file else np.full(len(x), "")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: expected an NPZ with embeddings (n, d) and emotion (n,) ({error})") from error
    if x.ndim != 2 or len(x) == 0 or emotion.shape != (len(x),) or speaker.shape != (len(x),):
        raise InputError(f"{path}: expected (n, d), (n,), (n,), got {x.shape}, {emotion.shape}, {speaker.shape}")
    if not np.isfinite(x).all():
        raise InputError(f"{path}: embeddings hold values that are no numbers")
    return Latents(x, emotion, speaker)


def drawn_latents(figures: Path, system: str, dataset: str | None = None) -> list[tuple[str, Latents]]:
    """Embeddings by name that a report wrote beside its maps of a system's latents, of all datasets or of one."""
    paths = sorted(figures.glob(f"{dataset or '*'}-{system}-*.npz"))
    return [(path.stem, read_latents(path)) for path in paths]


def latent_rows(space: Latents) -> list[dict[str, Any]]:
    """Clustering strength per emotion (one identity at a time, then their mean), silhouette and purity."""
    rows = []
    for measure, function in (
        ("d_cls", latents.clustering_strength),
        ("d_cls_pair", latents.pairwise_clustering_strength),
    ):
        by_emotion: dict[str, list[float]] = {}
        for name in np.unique(space.speaker):
            of_speaker = space.speaker == name
            for emotion, value in function(space.embeddings[of_speaker], space.emotion[of_speaker].tolist()).items():
                by_emotion.setdefault(emotion, []).append(value)
        for emotion, values in sorted(by_emotion.items()):
            defined = [value for value in values if np.isfinite(value)]
            mean = float(np.mean(defined)) if defined else float("nan")
            rows.append({"measure": measure, "emotion": emotion, "value": mean, "identities": len(defined)})
    names = space.emotion.tolist()
    whole = {
        "silhouette": latents.silhouette(space.embeddings, names),
        "knn_purity": latents.neighbour_purity(space.embeddings, names),
    }
    count = len(np.unique(space.speaker))
    return rows + [{"measure": m, "emotion": "", "value": v, "identities": count} for m, v in whole.items()]


def write_latents(space: Latents, path: Path) -> None:
    """Write the NPZ that :func:`read_latents` reads."""
    buffer = io.BytesIO()
    np.savez(buffer, embeddings=space.embeddings, emotion=space.emotion, speaker=space.speaker)
    write_atomically(path, buffer.getvalue())


def draw_map(space: Latents, stem: Path, seed: int = 0) -> str:
    """A t-SNE map coloured by emotion as PNG and SVG; seed and perplexity stand below. Returns the PNG's name."""
    flat, rows = latents.tsne_map(space.embeddings, space.emotion.tolist(), seed)
    figure = figures.new(6, 5.5)
    axes = figure.add_subplot()
    for emotion in np.unique(space.emotion[rows]):
        of_emotion = space.emotion[rows] == emotion
        axes.scatter(flat[of_emotion, 0], flat[of_emotion, 1], s=8, label=emotion or "no label")
    perplexity = min(latents.PERPLEXITY, (len(rows) - 1) / 3)
    axes.set_xlabel(f"t-SNE of {len(rows)} embeddings, perplexity {perplexity:.3g}, seed {seed}", fontsize=8)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(fontsize=7, markerscale=2)
    return figures.save(figure, stem)
