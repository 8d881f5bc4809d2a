"""How far long work is, as lines of a log: clips done, rate, time left."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

SECONDS = 60.0
"""From one line to the next."""
_SAMPLES = 10
"""The rate is that between the last lines."""
_AT_ONCE = 0.05
"""Parts that follow each other faster than this at the beginning were in the store: they do not count for the rate."""


def duration(seconds: float) -> str:
    """A time in words: ``40 s``, ``12 min``, ``3 h 5 min``.

    >>> duration(40), duration(725), duration(11100)
    ('40 s', '12 min', '3 h 5 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def rate(per_second: float, unit: str) -> str:
    """A rate per second, minute or hour, whichever gives a readable number.

    >>> rate(2.5, "clips"), rate(0.05, "clips"), rate(0.002, "clips")
    ('2.5 clips/s', '3.0 clips/min', '7.2 clips/h')
    """
    for factor, name in ((1, "s"), (60, "min")):
        if per_second * factor >= 1:
            return f"{per_second * factor:.1f} {unit}/{name}"
    return f"{per_second * 3600:.1f} {unit}/h"


class ProgressLines:
    """Tells a log about work in parts: a line now and then, and one at the end of what took longer than that.

    Call it with the parts done and all parts; ``phase`` says what happens before the parts are known.
    """

    def __init__(
        self,
        what: str,
        write: Callable[[str], None],
        unit: str = "clips",
        every: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._write, self._unit, self._every, self._clock = what, write, unit, every, clock
        self._lock = threading.Lock()
        self._phase = ""
        self._done, self._total = 0, 0
        self._started = self._written = self._called = clock()
        self._samples = deque([(self._started, 0)], maxlen=_SAMPLES)

    def __call__(self, done: int, total: int) -> None:
        """Parts done, and all parts; fewer than before, or another total, begin another piece of work."""
        with self._lock:
            if total != self._total or done < self._done:
                self._begin(done, total)
            now = self._clock()
            if now - self._called < _AT_ONCE and len(self._samples) == 1:
                self._samples[0] = (now, done)
            self._done, self._called = done, now
            if done == total and self._clock() - self._started >= self._every:
                took = duration(self._clock() - self._started)
                self._line(f"{self._what}: {total} {self._unit} done in {took}")
            elif done < total:
                self._maybe()

    def phase(self, text: str) -> None:
        """What happens now, before any part is done."""
        with self._lock:
            self._phase = text

    def tick(self) -> None:
        """Write a line if it is time, also where no part has been finished since the last one."""
        with self._lock:
            if self._total == 0 or self._done < self._total:
                self._maybe()

    def _begin(self, done: int, total: int) -> None:
        self._started = self._called = self._clock()
        self._done, self._total = done, total
        self._samples = deque([(self._started, done)], maxlen=_SAMPLES)

    def _maybe(self) -> None:
        if self._clock() - max(self._written, self._started) >= self._every:
            self._line(self._state())

    def _line(self, text: str) -> None:
        self._written = self._clock()
        self._write(text)

    def _state(self) -> str:
        if self._total == 0:
            return f"{self._what}: {self._phase or 'preparing'}, for {duration(self._clock() - self._started)}"
        (since, before), now = self._samples[0], self._clock()
        self._samples.append((now, self._done))
        text = f"{self._what}: {self._done} of {self._total} {self._unit}"
        speed = (self._done - before) / (now - since) if now > since else 0.0
        if speed <= 0:
            return f"{text}, for {duration(now - self._started)}"
        return f"{text}, {rate(speed, self._unit)}, {duration((self._total - self._done) / speed)} left"


@contextlib.contextmanager
def ticking(lines: ProgressLines, every: float = SECONDS) -> Iterator[ProgressLines]:
    """Inside, a thread looks ten times in so many seconds whether a line is due, however long one part takes."""
    over = threading.Event()

    def tick() -> None:
        while not over.wait(every / 10):
            lines.tick()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        over.set()
        thread.join()
