import numpy as np
import pandas as pd
import pytest

from gmbench.media import read_image
from gmbench.reporting import figures, latents

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 255, (32, 32, 3)).astype(np.uint8)
NO_FACE = figures.Motion(np.full(50, np.nan), np.empty(0))
FACE = RNG.normal(50, 10, (20, 68, 2))
DRAWN = {
    "grid": lambda stem: figures.grid({"truth": [IMAGE] * 3, "<b>": [IMAGE] * 2}, ["0 s", "1 s", "2 s"], stem),
    "correlation": lambda stem: figures.correlation_map(
        RNG.normal(size=(80, 160)).astype(np.float32),
        RNG.random(50),
        np.array([3.0, 20.0]),
        {"a": figures.Motion(RNG.normal(size=50), np.array([5.0, 30.0])), "b": NO_FACE},
        stem,
    ),
    "trace": lambda stem: figures.trace_map({"a": FACE, "b": FACE + 3}, (100, 120), stem),
    "confusion": lambda stem: figures.confusion(np.eye(3, dtype=int) * 4, ["x", "y", "z"], "t", stem),
    "losses": lambda stem: figures.losses({"gmeg": pd.DataFrame({"rec": [3.0, 2.0]}, index=[0, 10])}, stem),
    "angles": lambda stem: figures.angles({"truth": RNG.normal(size=(30, 3))}, stem),
    "latents": lambda stem: latents.draw_map(
        latents.Latents(RNG.normal(size=(40, 5)), np.array(["a", "b"] * 20), np.full(40, "p")), stem
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_figures_are_written_as_picture_and_vector_and_never_differ(name, tmp_path):
    state = RNG.bit_generator.state
    assert DRAWN[name](tmp_path / "one") == "one.png"
    RNG.bit_generator.state = state
    DRAWN[name](tmp_path / "two")
    picture = read_image(tmp_path / "one.png")
    assert picture.std() > 5
    assert (tmp_path / "one.svg").read_text().count("<path") > 3
    for suffix in ("png", "svg"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
