"""The exceptions that gmbench raises on purpose; the command prints them in one line."""


class GmbenchError(Exception):
    """Base of all expected errors. ``exit_code`` is what the command returns."""

    exit_code = 1


class InputError(GmbenchError):
    """An argument, a folder or a table is not what the command needs."""

    exit_code = 2


class MediaError(GmbenchError):
    """A video, image or audio file cannot be used; turned into the failure record of its clip."""


class WeightsError(GmbenchError):
    """A file of network weights is missing or is not the file that it should be."""

    exit_code = 3


class StoreError(GmbenchError):
    """Results cannot be written (disk full, folder not writable), or are not in the store any more."""

    exit_code = 4


class MixedColumnError(GmbenchError):
    """One table column would mix values of different protocols, extractors or weights."""

    exit_code = 5


class CoverageError(GmbenchError):
    """Fewer clips than asked for could be scored."""

    exit_code = 6


class ClusterError(InputError):
    """A dask scheduler does not answer or has no workers, or a worker lacks what the work needs."""

    exit_code = 7


class DeviceError(GmbenchError):
    """An accelerator cannot do the work: its memory is too small, or the process that asks its networks is gone."""


class PackageError(GmbenchError):
    """A package that only some uses need is not installed; the message names the extra that brings it."""


class NoValueError(GmbenchError):
    """A clip has no value under a metric; ``status`` is ``failed``, ``missing`` or ``undefined``."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class GmbenchWarning(UserWarning):
    """What a result leaves out, or what should be known when it is read; by Python's ``warnings``."""
