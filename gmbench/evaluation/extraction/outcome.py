"""Failures of a group of clips: a short reason for every failure, and the traceback of every unexpected one."""

import logging
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from gmbench.errors import MediaError, StoreError, WeightsError
from gmbench.plugins import explain
from gmbench.store import write_atomically

_log = logging.getLogger(__name__)

UNEXPECTED = (Exception, SystemExit)
"""What a computation may raise that costs itself alone: anything, memory that is lacking and an exit of other people's
code included, but not an interrupt."""


@dataclass
class Outcome:
    """Failures of a group; goes from a worker to the process that started it.

    Attributes:
        name: of the group.
        failures: why something could not be computed, by store key.
        tracebacks: of unexpected errors, by clip.
    """

    name: str
    failures: dict[str, str] = field(default_factory=dict)
    tracebacks: dict[str, list[str]] = field(default_factory=dict)

    def reason(self, error: BaseException, clip: object, feature: str = "", own: bool = True) -> str:
        """Why a clip failed, in one line; the traceback of an unexpected error is kept.

        Args:
            error: what was raised.
            clip: its file or name.
            feature: what could not be computed of it, where not all is lost.
            own: gmbench's own code ran; what other code raises never concerns the run.

        Raises:
            StoreError, WeightsError: the error itself, where it concerns the run and not the clip.
        """
        if own and isinstance(error, (StoreError, WeightsError)):
            raise error
        if isinstance(error, MediaError):
            return str(error)
        self.tracebacks.setdefault(str(clip), []).append("".join(traceback.format_exception(error)))
        return ": ".join(part for part in (str(clip), feature, explain(error)) if part)

    def add(self, other: "Outcome") -> None:
        """Add the failures of another group."""
        self.failures |= other.failures
        for clip, texts in other.tracebacks.items():
            self.tracebacks.setdefault(clip, []).extend(texts)


def report_errors(outcome: Outcome, error_log: Path | None) -> None:
    """Say that there were unexpected errors, and keep their tracebacks by clip.

    Args:
        error_log: written anew, or removed where there were none; without it the first traceback is logged.
    """
    if error_log is not None:
        error_log.unlink(missing_ok=True)
    texts = [f"{clip}\n{text}" for clip, clip_texts in sorted(outcome.tracebacks.items()) for text in clip_texts]
    if not texts:
        return
    if error_log is not None:
        write_atomically(error_log, "\n".join(texts).encode())
    where = f"tracebacks in {error_log}" if error_log is not None else f"the first:\n{texts[0]}"
    _log.warning("unexpected errors in %d clips, %s", len(outcome.tracebacks), where)
