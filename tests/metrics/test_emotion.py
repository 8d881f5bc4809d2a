import numpy as np
import pytest

from gmbench.metrics import emotion


def test_attention_formula_and_released_form():
    f, alpha, beta = np.array([[1.0], [3.0]]), np.array([0.25, 0.75]), np.array([0.5, 1.0])
    assert emotion.first_attention(f, alpha) == pytest.approx([2.5])
    assert emotion.attended(f, alpha, beta, released=False) == pytest.approx([2.714286, 2.5], abs=1e-6)
    assert emotion.attended(f, alpha, beta, released=True) == pytest.approx([2.857143, 2.857143], abs=1e-6)
