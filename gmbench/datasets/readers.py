"""Readers: from a folder in a dataset's own layout to rows and problems. Nothing is fetched."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmbench import plugins
from gmbench.datasets import splits
from gmbench.datasets.crema_d import CREMA_EMOTIONS, read_crema
from gmbench.datasets.folder import read_folder
from gmbench.datasets.loose_videos import has_hdtf, has_long_videos, read_hdtf, read_long_videos
from gmbench.datasets.manifest import TEST, Found, with_split
from gmbench.datasets.mead import MEAD_EMOTIONS, SPEAKER, read_mead
from gmbench.datasets.voxceleb2 import has_voxceleb2, read_voxceleb2
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import GmbenchError, InputError

_UNSEEN = re.compile(r"^[MW][5-9]\d{2}$")
"""Numbers of the synthetic corpus' unseen people, from :data:`gmbench.corpus.takes.FIRST_UNSEEN` on."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset: how to read it, and whom to ask for it; an entry point of group ``gmbench.datasets`` declares one.

    Attributes:
        name: as ``kind`` in ``params.yaml``, and as ``gmbench data check --dataset`` has it.
        read: from the root and the dataset's name to its clips and to what is wrong with its files.
        obtain: where the user gets it, with the terms.
        emotions: its labels in gmbench's order; empty for unlabelled ones.
        crop: default side of crops in pixels.
        recognises: whether a folder has its layout, for ``gmbench data check`` without ``--dataset``.
    """

    name: str
    read: Callable[[Path, str], Found]
    obtain: str
    emotions: tuple[str, ...] = ()
    crop: int = 256
    recognises: Callable[[Path], bool] = lambda root: False


def read(name: str, root: Path) -> Found:
    """Clips and problems of a dataset below a root.

    Raises:
        InputError: unknown dataset, no folder there, nothing in it (the message says whom to ask), or the reader of
            another package failed.
    """
    kind = dataset(name)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder. {kind.obtain}")
    found = _read(kind, root)
    if not found.rows and not found.problems:
        raise InputError(f"{root}: nothing in the layout of {name}{_hint(root, [kind])}. {kind.obtain}")
    return found


def layout_hint(root: Path) -> str:
    """Where below a folder of loose videos the layout of another dataset begins, as text; empty where none does."""
    return _hint(root, [kind for kind in DATASETS.all().values() if kind.name != "folder"])


def _hint(root: Path, kinds: Sequence[Dataset]) -> str:
    for child in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for kind in kinds:
            if _recognises(kind, child):
                return f"; that of {kind.name} begins in {child}: pass this folder"
    return ""


def _read(kind: Dataset, root: Path) -> Found:
    """What a reader finds; the failure of another package's reader is its own."""
    if kind.name in DATASETS.built_in:
        return kind.read(root, kind.name)
    try:
        found = kind.read(root, kind.name)
        if not isinstance(found, Found):
            raise TypeError(f"expected Found, got {type(found).__name__}")
    except GmbenchError:
        raise
    except Exception as error:
        package, reason = DATASETS.package(kind.name), plugins.explain(error)
        _log.debug("reader of %s", kind.name, exc_info=True)
        raise InputError(f"{root}: the reader of dataset {kind.name!r}, of {package}, failed ({reason})") from error
    return found


def dataset(name: str) -> Dataset:
    """The dataset of a name; raises InputError with the nearest known name."""
    return DATASETS.get(name)


def known_dataset(name: str) -> str:
    """The name unchanged, for the fields of configurations; raises ValueError, as pydantic wants it, if unknown."""
    try:
        return dataset(name).name
    except InputError as error:
        raise ValueError(str(error)) from error


def recognise(root: Path) -> str:
    """The dataset whose layout a folder has; ``folder`` where none fits."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    return next((kind.name for kind in DATASETS.all().values() if _recognises(kind, root)), "folder")


def _recognises(kind: Dataset, root: Path) -> bool:
    if kind.name in DATASETS.built_in:
        return kind.recognises(root)
    try:
        return bool(kind.recognises(root))
    except Exception as error:
        plugins.warn(plugins.DATASETS, kind.name, f"{DATASETS.package(kind.name)}: {plugins.explain(error)}")
        return False


def _drawn(root: Path) -> bool:
    """Whether a folder is a synthetic corpus."""
    return (root / "truth" / "clips.parquet").exists()


def _has_folder(pattern: re.Pattern[str]) -> Callable[[Path], bool]:
    """Whether a folder has an entry of such a name."""
    return lambda root: any(pattern.match(path.name) for path in root.iterdir())


def _mead(root: Path, name: str) -> Found:
    found = read_mead(root, name)
    return Found(splits.mead_eat(found.rows), found.problems)


def _synth(root: Path, name: str) -> Found:
    found = read_mead(root, name)
    return Found(splits.last_sentences(found.rows), found.problems)


def _synth_unseen(root: Path, name: str) -> Found:
    """People of the synthetic corpus whom nothing is trained on: all clips are test clips."""
    found = read_mead(root, name)
    return Found([with_split(row, TEST) for row in found.rows], found.problems)


def _built_in() -> tuple[Dataset, ...]:
    return (
        Dataset(
            name="synth_unseen", read=_synth_unseen, emotions=SUITE_ORDER, crop=128,
            recognises=lambda root: _drawn(root) and _has_folder(_UNSEEN)(root),
            obtain="Make it with 'gmbench corpus make --unseen-speakers 2'; it lies in the corpus' folder 'unseen'.",
        ),
        Dataset(
            name="synth", read=_synth, emotions=SUITE_ORDER, crop=128, recognises=_drawn,
            obtain="Make it with 'gmbench corpus make'.",
        ),
        Dataset(name="pretraining", read=read_voxceleb2, crop=128, obtain="Make it with 'gmbench corpus make'."),
        Dataset(
            name="mead", read=_mead, emotions=MEAD_EMOTIONS, crop=512, recognises=_has_folder(SPEAKER),
            obtain="MEAD is given for research by its project (wywu.github.io/projects/MEAD): ask there.",
        ),
        Dataset(
            name="crema_d", read=read_crema, emotions=tuple(CREMA_EMOTIONS.values()),
            recognises=lambda root: (root / "VideoFlash").exists() or (root / "AudioWAV").exists(),
            obtain="CREMA-D (Open Database License) is at github.com/CheyneyComputerScience/CREMA-D; register there.",
        ),
        Dataset(
            name="voxceleb2", read=read_voxceleb2,
            recognises=has_voxceleb2,
            obtain="VoxCeleb2 is requested from the VoxCeleb project (robots.ox.ac.uk/~vgg/data/voxceleb).",
        ),
        Dataset(
            name="hdtf", read=read_hdtf, crop=512, recognises=has_hdtf,
            obtain="HDTF publishes lists of videos (github.com/MRzzm/HDTF, CC BY 4.0); the user fetches the videos.",
        ),
        Dataset(
            name="lsp", read=read_long_videos, crop=512, recognises=has_long_videos,
            obtain="The target videos belong to the Live Speech Portraits project: ask there, name them lsp1 to lsp5.",
        ),
        Dataset(
            name="folder", read=read_folder, emotions=SUITE_ORDER,
            obtain="Put videos into the folder, in one folder per speaker, below it one per emotion if you like.",
        ),
    )  # fmt: skip


DATASETS = plugins.Registry(plugins.DATASETS, Dataset, _built_in)
