"""What of a run's configuration can be known to fail before its first stage: names, and files of the user."""

from collections.abc import Callable, Iterator
from pathlib import Path

from gmbench.config import DatasetSection, Params
from gmbench.errors import InputError
from gmbench.evaluation import protocol
from gmbench.evaluation.planning import controls
from gmbench.evaluation.scoring import registry as metrics
from gmbench.methods import dropin, registry, render
from gmbench.methods.interface import NotSupported
from gmbench.names import closest

_MORE = 4
"""Problems that a message names after the first."""


def require(params: Params) -> None:
    """Raise InputError with what :func:`problems` finds."""
    if found := problems(params):
        rest = f"; and {len(found) - 1} more: {'; '.join(found[1 : 1 + _MORE])}" if len(found) > 1 else ""
        raise InputError(f"params.yaml: {found[0]}{rest}")


def problems(params: Params, files: bool = True) -> list[str]:
    """All that is wrong, each with its place; without ``files`` what the configuration alone tells."""
    found = [*_datasets(params), *_systems(params), *_evaluation(params)]
    return found + list(_files(params)) if files else found


def _datasets(params: Params) -> Iterator[str]:
    known = params.datasets
    names = [(f"evaluate.{n}", name) for n, name in enumerate(params.evaluate)]
    names += [(f"datasets.{key}.models_of", section.models_of) for key, section in known.items() if section.models_of]
    names += [("pretrain_on", params.pretrain_on)] if params.trained else []
    for place, name in names:
        if name not in known:
            yield f"{place}: {name!r} is no dataset of this run; {closest(name, known)}"
    for key, section in known.items():
        yield from _attempt(f"datasets.{key}.protocol", _protocol, section)


def _protocol(section: DatasetSection) -> None:
    protocol.load(section.protocol, landmarks=section.landmarks, extractors=section.extractors)


def _systems(params: Params) -> Iterator[str]:
    for n, name in enumerate(params.trained):
        yield from _attempt(f"trained.{n}", registry.System.parse, name)
    others = {*dropin.find(), *render.NAMES}
    for n, name in enumerate(params.methods):
        if name not in others:
            yield from _attempt(f"methods.{n}", registry.System.parse, name)
    for method, given in params.systems.items():
        yield from _attempt("systems", registry.read_method_settings, method, given)


def _evaluation(params: Params) -> Iterator[str]:
    yield from _attempt("evaluation.metrics", metrics.resolve, params.evaluation.metrics)
    yield from _attempt("evaluation.controls", controls.check, list(params.evaluation.controls))


def _files(params: Params) -> Iterator[str]:
    """Files and folders of the user that are not there; what stages make is not looked for."""
    made = [Path("data") / key for key in params.corpora]
    for key, section in params.datasets.items():
        root = Path(section.root)
        if not any(root.is_relative_to(folder) for folder in made) and not root.is_dir():
            yield f"datasets.{key}.root: {root}: no such folder"
    source = params.face_model.source
    if source != "synthetic" and not Path(source).is_file():
        yield f"face_model.source: {source}: no such file"
    if params.audio.extractor == "hubert" and not (Path(params.audio.hubert) / "config.json").is_file():
        yield f"audio.hubert: {params.audio.hubert or 'empty'}: no folder of a HuBERT saved by transformers"
    for method, given in params.systems.items():
        needed: dict[str, Path] = getattr(registry.read_method_settings(method, given), "needed_files", dict)()
        for place, path in needed.items():
            if not path.is_file():
                yield f"systems.{method}.{place}: {path}: no such file"


def _attempt(place: str, read: Callable[..., object], *values: object) -> Iterator[str]:
    """What reading a value raises, with its place."""
    try:
        read(*values)
    except NotSupported:
        return  # a drive that a method lacks leaves a row with the reason
    except InputError as error:
        yield f"{place}: {error}"
