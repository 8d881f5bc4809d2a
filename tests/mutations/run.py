"""Apply each listed mistake in turn and see whether its tests fail.

    python -m tests.mutations.run [--quick] [PART-OF-A-FILE-OR-DESCRIPTION]

``--quick`` leaves out the first round, which makes sure that the tests pass while nothing is wrong.

Nothing on the disk changes: a child process of its own reads the changed text in place of the file.
"""

import importlib.machinery
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("mutations.yaml")
SECONDS = 300
_WARM = ("cv2", "numba", "pandas", "pytest", "scipy.signal", "torch")


@dataclass(frozen=True)
class Mutation:
    """A text that stands once in a file, and the mistaken one.

    Attributes:
        file: below the project's root.
        tests: files or single tests that must fail, separated by spaces.
        what: the mistake in words.
    """

    file: str
    before: str
    after: str
    tests: str
    what: str

    def text(self) -> str:
        """The file with the mistake; raises ValueError where the text is not there once."""
        content = (ROOT / self.file).read_text("utf-8")
        if content.count(self.before) != 1:
            raise ValueError(f"{self.file}: {self.before!r} stands {content.count(self.before)} times, expected once")
        return content.replace(self.before, self.after)


def listed() -> list[Mutation]:
    """All of the list."""
    return [Mutation(**entry) for entry in yaml.safe_load(LIST.read_text("utf-8"))]


def passes(tests: str, path: Path | None = None, text: str = "") -> bool:
    """Whether tests pass in a child process, there with another text of a file."""
    child = os.fork()
    if child == 0:
        os._exit(_child(tests, path, text))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _child(tests: str, path: Path | None, text: str) -> int:
    import pytest

    if path is not None:
        _replace(path.resolve(), text)
    with open(os.devnull, "w") as nowhere:
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
    try:
        return int(pytest.main(["-x", "-q", *tests.split()]))
    except BaseException:
        return 1


def _replace(path: Path, text: str) -> None:
    """Let imports of a file compile another text."""
    loader = importlib.machinery.SourceFileLoader
    original = loader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> object:
        found = Path(self.get_filename(fullname)).resolve()
        return compile(text, str(found), "exec") if found == path else original(self, fullname)

    loader.get_code = get_code  # type: ignore[method-assign, assignment]


def main() -> int:
    """Print what was noticed; 1 where something was not."""
    os.chdir(ROOT)
    quick, part = "--quick" in sys.argv, "".join(word for word in sys.argv[1:] if word != "--quick")
    chosen = [m for m in listed() if part in m.file or part in m.what]
    texts = [mutation.text() for mutation in chosen]
    for name in _WARM:
        importlib.import_module(name)
    unchanged = [] if quick else sorted({mutation.tests for mutation in chosen})
    missed = [f"fails without any change: {tests}" for tests in unchanged if not passes(tests)]
    for mutation, text in zip(chosen, texts, strict=True):
        noticed = not passes(mutation.tests, ROOT / mutation.file, text)
        sys.stdout.write(f"{'noticed    ' if noticed else 'NOT NOTICED'}  {mutation.file}: {mutation.what}\n")
        sys.stdout.flush()
        missed += [] if noticed else [f"not noticed: {mutation.what}"]
    sys.stdout.write("".join(f"{line}\n" for line in [*missed, f"{len(chosen)} mistakes"]))
    return int(bool(missed))


if __name__ == "__main__":
    raise SystemExit(main())
