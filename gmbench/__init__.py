"""gmbench compares audio-driven emotional talking-head videos under one protocol.

What a script or a notebook needs, all of it documented in docs/python.md:

- ``evaluate(videos, reference, metrics)``: folders of videos against real ones; gives a ``Result``
- ``Result``: tables, clips, paired comparisons, LaTeX, the report page; ``load(folder)`` reads a saved one
- ``score(generated, reference, metrics)``: one video against another
- ``metric(name)``: a metric as a function of arrays or torch tensors
- ``list_metrics()``: what there is to measure
- ``generate(audio, out)``: a video by a method that was trained here; ``Method``: base class of your own
- ``errors``: what goes wrong on purpose

    import gmbench

    result = gmbench.evaluate({"ours": "ours/", "base": "base/"}, reference="real/", metrics=["psnr", "sync_c"])
    print(result.table())
    print(result.compare("ours", "base"))

The command ``gmbench`` runs the same functions. Importing this package imports nothing else until a name is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gmbench import errors as errors
    from gmbench.api.array_metrics import ArrayMetric as ArrayMetric
    from gmbench.api.array_metrics import metric as metric
    from gmbench.api.evaluation import evaluate as evaluate
    from gmbench.api.evaluation import score as score
    from gmbench.api.generation import generate as generate
    from gmbench.api.listing import list_metrics as list_metrics
    from gmbench.api.result import Result as Result
    from gmbench.api.result import load as load
    from gmbench.methods.base import Method as Method

    __version__: str

__all__ = [
    "ArrayMetric",
    "Method",
    "Result",
    "errors",
    "evaluate",
    "generate",
    "list_metrics",
    "load",
    "metric",
    "score",
]

_MODULES = {
    "ArrayMetric": "api.array_metrics",
    "Method": "methods.base",
    "Result": "api.result",
    "evaluate": "api.evaluation",
    "generate": "api.generation",
    "list_metrics": "api.listing",
    "load": "api.result",
    "metric": "api.array_metrics",
    "score": "api.evaluation",
}
"""Module below gmbench of each public name; it is imported when the name is first used."""


if not TYPE_CHECKING:  # so that type checkers see names that do not exist

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name == "__version__":
            value = import_module("gmbench.version").version()
        elif name == "errors":
            value = import_module("gmbench.errors")
        elif name in _MODULES:
            value = getattr(import_module(f"gmbench.{_MODULES[name]}"), name)
        else:
            raise AttributeError(f"module 'gmbench' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
