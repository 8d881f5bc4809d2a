"""Which device a name stands for, and what it adds to keys."""

import types

import numpy as np
import pytest
import torch

from gmbench import job_cache
from gmbench.devices import choice
from gmbench.errors import InputError
from gmbench.store import Store, digest


@pytest.fixture
def two_cards(monkeypatch):
    """A machine whose torch sees two GPUs."""
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    monkeypatch.setattr(choice, "_TRACES", ("/dev/null",))
    monkeypatch.setattr(choice, "count", lambda kind: 2 if kind == "cuda" else 0)


def test_auto_is_the_cpu_where_nothing_else_is(monkeypatch):
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    monkeypatch.setattr(choice, "_TRACES", ())
    assert choice.choose() == "cpu"
    monkeypatch.setattr(choice, "_TRACES", ("/dev/null",))
    monkeypatch.setattr(choice, "count", lambda kind: int(kind == "mps"))
    assert choice.choose() == "cpu"  # no float64 there
    assert choice.choose("mps") == "mps"


def test_auto_is_the_environment_then_the_card(two_cards, monkeypatch):
    assert choice.choose() == "cuda"
    assert choice.choose("cuda:1") == "cuda:1"
    monkeypatch.setenv(choice.VARIABLE, "cpu")
    assert choice.choose() == "cpu"
    assert choice.choose("cuda") == "cuda"
    monkeypatch.setenv(choice.VARIABLE, "cuda:2")
    with pytest.raises(InputError, match="GMBENCH_DEVICE cuda:2: there are cuda:0 to cuda:1"):
        choice.choose()


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cpu:0", "cdua"])
def test_other_names_are_refused(name):
    with pytest.raises(InputError, match=f"unknown device '{name}'"):
        choice.known(name)


def test_a_device_that_is_not_here_says_what_to_do(monkeypatch):
    monkeypatch.setattr(choice, "count", lambda kind: 0)
    with pytest.raises(InputError, match=r"sees no such device here; .*--device cpu"):
        choice.choose("cuda")


def test_the_cpu_in_float32_adds_nothing_to_keys():
    assert choice.key("cpu") == ()
    assert choice.key("cpu", "bfloat16") == ("bfloat16",)
    assert choice.key("cuda:1") == choice.key("cuda:0") == ("cuda",)
    assert choice.key("cuda", "tf32") == ("cuda", "tf32")


def test_jobs_are_dealt_out_by_their_number(two_cards, monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert [choice.dealt("cuda", number) for number in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert [choice.dealt(name, 1) for name in ("cpu", "cuda:0")] == ["cpu", "cuda:0"]
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choice.dealt("cuda", 0) == "cuda:1"


def test_jobs_of_several_calls_take_the_cards_in_turn(two_cards, monkeypatch, tmp_path):
    monkeypatch.setattr(choice, "_activate", lambda device: None)
    seen = []

    def noted(argument):
        seen.append(choice.current())
        return {"nothing": np.zeros(1)}, {}

    for name in "abcd":
        assert (
            job_cache.run_jobs(noted, [job_cache.Job(name, digest(name), None)], Store(tmp_path), device="cuda") == {}
        )
    assert seen[:2] in (["cuda:0", "cuda:1"], ["cuda:1", "cuda:0"])
    assert seen[2:] == seen[:2]


def test_the_device_of_a_job_ends_with_it(monkeypatch):
    monkeypatch.setattr(choice, "_activate", lambda device: None)
    assert choice.current() == "cpu"
    with choice.using("cuda:1"):
        assert choice.current() == "cuda:1"
    assert choice.current() == "cpu"


def test_float32_is_not_shortened_and_torch_gets_its_settings_back():
    before = [place.allow_tf32 for place in (torch.backends.cuda.matmul, torch.backends.cudnn)]
    for precision, expected in (("float32", False), ("tf32", True)):
        with choice.in_precision("cuda:0", precision):
            assert torch.backends.cudnn.allow_tf32 is torch.backends.cuda.matmul.allow_tf32 is expected
    assert before == [place.allow_tf32 for place in (torch.backends.cuda.matmul, torch.backends.cudnn)]


def test_cards_are_listed_with_their_memory(two_cards, monkeypatch):
    card = types.SimpleNamespace(get_device_name=lambda n: f"Card {n}", mem_get_info=lambda d: (2**30, 2**31))
    monkeypatch.setattr(torch, "cuda", card)
    found = choice.cards()
    assert [(each.device, each.name, each.total, each.free) for each in found] == [
        ("cuda:0", "Card 0", 2.0, 1.0), ("cuda:1", "Card 1", 2.0, 1.0),
    ]  # fmt: skip
