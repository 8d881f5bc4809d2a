import ast

import pytest

from tests.mutations.run import ROOT, listed


@pytest.mark.parametrize("mutation", listed(), ids=lambda mutation: mutation.what)
def test_listed_mistakes_fit_the_code_of_today(mutation):
    """A text that is gone guards nothing: change tests/mutations/mutations.yaml along with the code."""
    changed = mutation.text()
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse((ROOT / mutation.file).read_text("utf-8")))
    assert all((ROOT / test.partition("::")[0]).exists() for test in mutation.tests.split())
