"""Networks asked for the rows of many callers: the answers of each, in their order, whatever the batch."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
import torch

from gmbench.devices import asking
from gmbench.devices.asking import GatheringNetworks, Network, networks_on
from gmbench.devices.serving import ServedNetworks, served
from gmbench.errors import DeviceError

SIZES: list[int] = []


def build(seed):
    torch.manual_seed(seed)
    return torch.nn.Linear(4, 3)


def rows(network, x):
    SIZES.append(len(x))
    return network(x.float())


def failing(network, x):
    raise ValueError("no such layer")


def full(network, x):
    """A device whose memory holds two rows."""
    if len(x) > 2:
        raise torch.OutOfMemoryError("out of memory")
    return network(x.float())


@pytest.fixture
def pictures():
    SIZES.clear()
    return np.random.default_rng(0).integers(0, 256, (50, 4)).astype(np.uint8)


def _expected(pictures):
    with torch.inference_mode():
        return build(0)(torch.from_numpy(pictures).float()).numpy()


def test_the_cpu_is_asked_at_once_for_what_is_given(pictures):
    found = networks_on("cpu").ask(Network(rows, build, (0,), batch=8), pictures).result()
    np.testing.assert_array_equal(found, _expected(pictures))
    assert SIZES == [50]


def test_rows_of_several_callers_share_batches_of_one_size(pictures):
    networks, network = GatheringNetworks("cpu"), Network(rows, build, (0,), batch=16)
    answers = [networks.ask(network, part) for part in np.split(pictures, [3, 30])]
    found = np.concatenate([answer.result() for answer in answers])
    np.testing.assert_allclose(found, _expected(pictures), rtol=1e-6, atol=1e-4)
    assert SIZES == [16, 16, 16, 16]
    assert networks.ask(network, pictures[:0]).result().shape == (0, 3)


def test_a_row_has_the_same_bits_whatever_stands_beside_it(pictures):
    network = Network(rows, build, (0,), batch=16)
    alone = GatheringNetworks("cpu").ask(network, pictures[40:]).result()
    networks = GatheringNetworks("cpu")
    networks.ask(network, pictures[:9])
    np.testing.assert_array_equal(networks.ask(network, pictures[40:]).result(), alone)


def test_out_of_memory_halves_the_batch_once_with_a_word(pictures, caplog):
    with caplog.at_level(logging.WARNING):
        found = GatheringNetworks("cpu").ask(Network(full, build, (0,), batch=4), pictures).result()
    np.testing.assert_allclose(found, _expected(pictures), rtol=1e-6, atol=1e-4)
    assert "out of memory, going on with 2 rows of full at once" in caplog.text
    with pytest.raises(DeviceError, match=r"does not hold 4 rows of full; --device cpu"):
        GatheringNetworks("cpu").ask(Network(full, build, (0,), batch=8), pictures).result()


def test_the_batch_follows_the_free_memory(monkeypatch):
    class Module:
        reset_peak_memory_stats = staticmethod(lambda device: None)
        memory_allocated = staticmethod(lambda device: 100)
        max_memory_allocated = staticmethod(lambda device: 100 + 2 * 10)

    network = Network(rows, build, (0,), batch=64)
    monkeypatch.setattr(torch, "xpu", Module)
    monkeypatch.setattr(asking._Gathered, "_compute", lambda self, given: None)
    for free, size in ((10_000, 64), (700, 32), (5, 1)):
        monkeypatch.setattr(asking, "memory", lambda device, free=free: (free, 10_000))
        assert asking._batch_size("xpu:0", network, np.zeros((1, 4), np.uint8)) == size


def test_other_processes_get_the_same_answers(pictures):
    network = Network(rows, build, (0,), batch=16)
    with served("cpu") as address:
        assert "password" not in repr(address)

        def worker(part):
            networks = ServedNetworks(address)
            answers = [networks.ask(network, piece) for piece in np.array_split(part, 4)]
            return np.concatenate([answer.result() for answer in answers])

        with ThreadPoolExecutor(3) as threads:
            found = np.concatenate(list(threads.map(worker, np.split(pictures, [7, 31]))))
        np.testing.assert_allclose(found, _expected(pictures), rtol=1e-6, atol=1e-4)
        assert not list(address.folder.glob("*-*")), "rows are removed when they are read"
    assert not address.folder.exists()


def test_a_mistake_costs_the_question_and_not_the_server(pictures):
    with served("cpu") as address:
        networks = ServedNetworks(address)
        with pytest.raises(RuntimeError, match="ValueError: no such layer"):
            networks.ask(Network(failing, build, (0,), batch=16), pictures).result()
        network = Network(rows, build, (0,), batch=16)
        np.testing.assert_allclose(networks.ask(network, pictures).result(), _expected(pictures), atol=1e-4)


def test_more_questions_than_may_be_open_wait_for_answers(pictures):
    with served("cpu") as address:
        networks, network = ServedNetworks(address), Network(rows, build, (0,), batch=64)
        answers = [networks.ask(network, picture[None]) for picture in pictures]
        found = np.concatenate([answer.result() for answer in answers])
    np.testing.assert_allclose(found, _expected(pictures), rtol=1e-6, atol=1e-4)


def test_rows_that_cannot_be_read_are_an_error_of_their_question(pictures):
    network = Network(rows, build, (0,), batch=16)
    with served("cpu") as address:
        networks = ServedNetworks(address)
        networks._open[7] = lost = Future()
        networks._send((7, network, str(address.folder / "gone"), pictures.shape, pictures.dtype.str))
        with pytest.raises(RuntimeError, match="FileNotFoundError"):
            lost.result(timeout=20)
        np.testing.assert_allclose(networks.ask(network, pictures).result(), _expected(pictures), atol=1e-4)
