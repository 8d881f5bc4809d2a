"""``import gmbench`` brings nothing with it, and says what there is."""

import subprocess
import sys

import pytest

import gmbench


def test_import_brings_no_package_and_no_module_of_its_own(environment):
    script = (
        "import sys; before = set(sys.modules); import gmbench; dir(gmbench); gmbench.__doc__;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(new - sys.stdlib_module_names), 'gmbench.api' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "['gmbench'] False\n"


def test_every_public_name_is_there_documented_and_listed():
    assert set(gmbench.__all__) <= set(dir(gmbench))
    for name in gmbench.__all__:
        assert getattr(gmbench, name).__doc__, name
    assert set(gmbench._MODULES) | {"errors"} == set(gmbench.__all__)
    assert isinstance(gmbench.__version__, str)
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        gmbench.evalute  # noqa: B018
