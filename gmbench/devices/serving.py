"""Networks of one device for many processes: workers decode and crop, one process asks the networks for all of them.

A worker writes rows to a file below a folder in memory that only the user can open, and sends its name through a socket
that asks for a password. One thread for each worker reads them into pinned memory; one thread alone asks the networks,
so that a batch holds rows of many clips.
"""

import contextlib
import functools
import itertools
import logging
import os
import queue
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

import numpy as np

from gmbench.devices.asking import Array, GatheredAnswer, GatheringNetworks, Network, Networks
from gmbench.errors import DeviceError, GmbenchError

_log = logging.getLogger(__name__)

_AHEAD = 8
"""Questions of one worker that may be open at a time: memory stays bounded."""
_MEMORY = Path("/dev/shm")
_LEAST_FREE = 2**31
_IDLE = 0.002
"""Seconds without a question after which what somebody waits for is run though it fills no batch."""


@dataclass(frozen=True)
class ServerAddress:
    """Where the networks of a device can be asked by other processes of this machine and user."""

    device: str
    address: Any
    folder: Path
    password: bytes = field(repr=False)

    def networks(self) -> Networks:
        """The networks, over one connection for each process."""
        return _connected(self)


@functools.lru_cache(maxsize=1)
def _connected(address: ServerAddress) -> "ServedNetworks":
    return ServedNetworks(address)


@contextlib.contextmanager
def served(device: str) -> Iterator[ServerAddress]:
    """Serve the networks of a device from threads of this process as long as the context is open."""
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _LEAST_FREE
    with tempfile.TemporaryDirectory(
        prefix="gmbench-", dir=_MEMORY if roomy else None, ignore_cleanup_errors=True
    ) as folder:
        password = secrets.token_bytes(32)
        with Listener(authkey=password) as listener:
            server = _Server(device, listener)
            try:
                yield ServerAddress(device, listener.address, Path(folder), password)
            finally:
                server.close()


@dataclass
class _Question:
    """Rows of a worker; without rows, the number of a question whose answer it waits for."""

    connection: "_Answering"
    number: int
    network: Network | None = None
    rows: Array | None = None


class _Answering:
    """A connection on which several threads answer."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self.connection, self._lock = connection, threading.Lock()

    def send(self, number: int, result: "Array | Exception") -> None:
        """The answer to a question; nobody minds where the worker is gone."""
        with self._lock, contextlib.suppress(OSError):
            self.connection.send((number, result))


class _Server:
    """Accepts workers, reads their rows, asks the networks, sends the answers."""

    def __init__(self, device: str, listener: Listener) -> None:
        self._networks = GatheringNetworks(device)
        self._listener = listener
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[_Question, GatheredAnswer] | None] = queue.SimpleQueue()
        self._open = True
        for work in (self._accept, self._ask, self._send):
            threading.Thread(target=work, daemon=True, name=f"gmbench {device}").start()

    def close(self) -> None:
        """Let the threads end; a connection of its own ends the waiting for others."""
        self._open = False
        self._questions.put(None)
        with contextlib.suppress(OSError, EOFError):
            Client(self._listener.address, authkey=self._listener._authkey).close()  # type: ignore[attr-defined]

    def _accept(self) -> None:
        while self._open:
            try:
                connection = self._listener.accept()
            except Exception as error:  # a process that does not know the password, or none any more
                _log.debug("refused: %s", error)
                continue
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: "Connection[Any, Any]") -> None:
        """Read one worker's rows; without its connection it would wait for ever, so that ends with the reading."""
        answering = _Answering(connection)
        with connection, contextlib.suppress(EOFError, OSError):
            while True:
                number, network, path, shape, kind = connection.recv()
                try:
                    rows = None if path is None else _taken(path, shape, kind)
                except (OSError, ValueError) as error:
                    answering.send(number, _sendable(error))
                else:
                    self._questions.put(_Question(answering, number, network, rows))

    def _ask(self) -> None:
        """Ask the networks; the only thread that does."""
        waiting: dict[tuple[int, int], tuple[_Question, GatheredAnswer]] = {}
        wanted: list[tuple[int, int]] = []
        while True:
            try:
                question = self._questions.get(timeout=_IDLE if wanted else None)
            except queue.Empty:
                self._finish(waiting, wanted.pop(0))
                continue
            if question is None:
                self._answers.put(None)
                return
            name = id(question.connection), question.number
            if question.network is None or question.rows is None:
                wanted.append(name)
            else:
                try:
                    waiting[name] = question, self._networks.ask(question.network, question.rows)
                except Exception as error:
                    question.connection.send(question.number, _sendable(error))
            for each in [each for each, (_, answer) in waiting.items() if answer.asked]:
                self._answers.put(waiting.pop(each))

    def _finish(self, waiting: dict[tuple[int, int], tuple[_Question, GatheredAnswer]], name: tuple[int, int]) -> None:
        """Run what one worker waits for, unless it was run with others' rows."""
        if name not in waiting:
            return
        question, answer = waiting.pop(name)
        try:
            answer.finish()
            self._answers.put((question, answer))
        except Exception as error:
            question.connection.send(question.number, _sendable(error))

    def _send(self) -> None:
        """Send the answers; waits for the device, so that the thread that asks need not."""
        while (item := self._answers.get()) is not None:
            question, answer = item
            try:
                question.connection.send(question.number, answer.result())
            except Exception as error:
                question.connection.send(question.number, _sendable(error))


def _taken(path: str, shape: tuple[int, ...], kind: str) -> Array:
    """The rows of a file, which is removed."""
    rows = np.fromfile(path, kind).reshape(shape)
    os.unlink(path)
    return rows


def _sendable(error: Exception) -> Exception:
    """An error as another process can read it."""
    return error if isinstance(error, GmbenchError) else RuntimeError(f"{type(error).__name__}: {error}")


class _Awaited:
    """An answer that another process gives."""

    def __init__(self, networks: "ServedNetworks", number: int, future: "Future[Array]") -> None:
        self._networks, self._number, self._future = networks, number, future

    def result(self) -> Array:
        """The values; says that somebody waits for them, so that they need not fill a batch."""
        if not self._future.done():
            self._networks.wait_for(self._number)
        return self._future.result()


class ServedNetworks:
    """Networks that another process of this machine asks; see :func:`served`."""

    def __init__(self, address: ServerAddress) -> None:
        self.device = address.device
        self._rows = address.folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        try:
            self._connection = Client(address.address, authkey=address.password)
        except OSError as error:
            raise DeviceError(f"{self.device}: the process that asks its networks does not answer ({error})") from error
        self._numbers = itertools.count()
        self._open: dict[int, Future[Array]] = {}
        self._room, self._lock = threading.Semaphore(_AHEAD), threading.Lock()
        threading.Thread(target=self._receive, daemon=True).start()

    def ask(self, network: Network, batch: Array) -> _Awaited:
        """The answer, which comes when the rows were run with others'."""
        if not self._room.acquire(blocking=False):
            self._hurry()
            self._room.acquire()
        number = next(self._numbers)
        path = self._rows.with_name(f"{self._rows.name}-{number}")
        np.ascontiguousarray(batch).tofile(path)
        future: Future[Array] = Future()
        self._open[number] = future
        self._send((number, network, str(path), batch.shape, batch.dtype.str))
        return _Awaited(self, number, future)

    def wait_for(self, number: int) -> None:
        """Say that the answer to a question is waited for."""
        self._send((number, None, None, None, None))

    def _hurry(self) -> None:
        """Say of all open questions that they are waited for: no more may be asked before one is answered."""
        for number in list(self._open):
            self.wait_for(number)

    def _send(self, message: Any) -> None:
        try:
            with self._lock:
                self._connection.send(message)
        except OSError as error:
            raise DeviceError(f"{self.device}: the process that asks its networks is gone") from error

    def _receive(self) -> None:
        try:
            while True:
                number, result = self._connection.recv()
                future = self._open.pop(number)
                self._room.release()
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)
        except (EOFError, OSError):
            gone = DeviceError(f"{self.device}: the process that asks its networks is gone")
            for future in list(self._open.values()):
                future.set_exception(gone)
