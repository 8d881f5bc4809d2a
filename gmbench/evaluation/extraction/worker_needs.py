"""Extraction on workers that someone else started: on other machines, in other folders, with another environment.

Paths travel absolute. A worker looks before each group whether it has what this process planned with, so that it
names what it lacks instead of leaving values out, and never stores a feature under the hash of another file.
"""

import contextlib
import functools
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gmbench.devices import choose
from gmbench.errors import ClusterError, InputError, WeightsError
from gmbench.evaluation.extraction.clip_group import ClipGroup
from gmbench.evaluation.extraction.features import ClipSource, Keys
from gmbench.evaluation.extraction.group_extraction import extract_group
from gmbench.evaluation.extraction.outcome import Outcome
from gmbench.face import landmarks as face_landmarks
from gmbench.store import file_digest
from gmbench.weights import files, load_path
from gmbench.weights.declarations import declared

COMPARED = 20
"""So many files, spread over the clips, are compared by their hashes."""


@dataclass(frozen=True)
class WorkerNeeds:
    """What a worker must have to extract what this process planned; call it with a group to extract it there.

    Attributes:
        contents: sha256 of some files by their absolute paths.
        token: a file in the store that this process made.
        weights: sha256 of the files of networks by their names in the manifest.
        folders: absolute folders of those files by the variable that names them; a worker uses those that it sees,
            else its own.
    """

    contents: Mapping[Path, str]
    token: Path
    weights: Mapping[str, str]
    folders: Mapping[str, Path]

    def __call__(self, group: ClipGroup) -> Outcome:
        """:func:`extract_group` on a worker; raises ClusterError where it lacks something."""
        self._check_files(group)
        self._check_weights()
        self._check_device(group)
        return extract_group(group)

    def _check_files(self, group: ClipGroup) -> None:
        if not self.token.exists():
            raise ClusterError(
                f"does not see the store {self.token.parent}; name a folder that all workers share (--store)"
            )
        for path in (*self.contents, *(path for source in _sources(group) for path in _paths(source))):
            if not path.exists():
                raise ClusterError(f"does not see {path}; workers need the clips under the same paths as this machine")
        for path, sha256 in self.contents.items():
            if _digest(path, path.stat().st_mtime_ns) != sha256:
                raise ClusterError(f"has another file at {path} than this machine; let all see the same folder")

    def _check_device(self, group: ClipGroup) -> None:
        try:
            choose(group.keys.protocol.device)
        except InputError as error:
            raise ClusterError(f"lacks the device: {error}") from error

    def _check_weights(self) -> None:
        os.environ.update({name: str(folder) for name, folder in self.folders.items() if folder.is_dir()})
        for name, sha256 in self.weights.items():
            try:
                path, found = load_path(name)
            except WeightsError as error:
                raise ClusterError(f"lacks a network: {error}") from error
            if found != sha256:
                raise ClusterError(f"has another {path} than this machine (sha256 {found[:12]}, here {sha256[:12]})")


@contextlib.contextmanager
def worker_needs(groups: Sequence[ClipGroup], keys: Keys, store: Path) -> Iterator[WorkerNeeds]:
    """What workers need for some groups; the store's token is there while the context is open."""
    backend = face_landmarks.backend(keys.protocol.landmarks)
    weights = dict(keys.extractor_sha256)
    if keys.weights_sha256:
        weights |= {item.name: load_path(item.name)[1] for item in backend.weights}
    folders = {"GMBENCH_WEIGHTS": files.folder().absolute()}
    if any(declared(name).trained for name in weights):
        folders["GMBENCH_EXTRACTORS"] = files.trained_folder().absolute()
    spread = groups[:: max(1, len(groups) // COMPARED)]
    sides = (source for group in spread for source in (*group.candidates[-1:], group.reference))
    contents = {s.video.absolute(): s.video_sha256 for s in sides if s is not None and s.video and s.video.is_file()}
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=store, prefix=".token-") as token:
        yield WorkerNeeds(contents, Path(token.name), weights, folders)


def absolute(group: ClipGroup) -> ClipGroup:
    """The group with absolute paths."""
    return replace(
        group,
        reference=None if group.reference is None else _absolute(group.reference),
        candidates=tuple(map(_absolute, group.candidates)),
        others=tuple(map(_absolute, group.others)),
        store=group.store.absolute(),
    )


def as_planned(outcome: Outcome, group: ClipGroup) -> Outcome:
    """A worker's outcome with the paths of the plan in its words, as this process itself would give them."""
    paths = {str(path.absolute()): str(path) for source in _sources(group) for path in _paths(source)}

    def planned(text: str) -> str:
        for whole, given in paths.items():
            text = text.replace(whole, given)
        return text

    return replace(
        outcome,
        failures={key: planned(reason) for key, reason in outcome.failures.items()},
        tracebacks={planned(clip): list(map(planned, texts)) for clip, texts in outcome.tracebacks.items()},
    )


def _sources(group: ClipGroup) -> list[ClipSource]:
    return [s for s in (group.reference, *group.candidates, *group.others) if s is not None]


def _paths(source: ClipSource) -> list[Path]:
    landmarks = source.landmarks if source.landmarks_sha256 != "absent" else None  # its reader says so
    return [path for path in (source.video, source.audio, landmarks) if path is not None]


def _absolute(source: ClipSource) -> ClipSource:
    video, audio, landmarks = (p and p.absolute() for p in (source.video, source.audio, source.landmarks))
    return replace(source, video=video, audio=audio, landmarks=landmarks)


@functools.cache
def _digest(path: Path, modified: int) -> str:
    return file_digest(path)
