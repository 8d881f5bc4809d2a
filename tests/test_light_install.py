"""An evaluation needs none of the packages that come with extras, and what needs one names its extra."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gmbench.errors import PackageError
from gmbench.extras import OPTIONAL, extra

MODULES = ("accelerate", "diffusers", "dvc", "dvclive", "face_alignment", "selenium", "skimage", "transformers")
WITHOUT = f"import sys; sys.modules.update(dict.fromkeys({MODULES!r}));"
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]


def _names(requirements):
    return {entry.split(";")[0].split("[")[0].split(">")[0].strip() for entry in requirements}


def test_extras_hold_what_an_evaluation_does_not_need():
    core, extras = _names(PROJECT["dependencies"]), PROJECT["optional-dependencies"]
    assert not core & {*OPTIONAL, "selenium", "scikit-image", "opencv-python"}
    for package, (name, _) in OPTIONAL.items():
        assert package in _names(extras[name]), package


def test_a_lock_holds_one_opencv_and_all_extras():
    lock = {line.split("==")[0] for line in (Path(__file__).parents[1] / "requirements.lock").read_text().splitlines()}
    assert {name for name in lock if name.startswith("opencv")} == {"opencv-contrib-python"}
    locked = {package for package, (extra, _) in OPTIONAL.items() if extra != "iqa"}  # its licence is the user's choice
    assert locked < set(OPTIONAL)
    assert locked <= lock
    assert _names(PROJECT["dependencies"]) <= lock


@pytest.mark.slow
def test_an_evaluation_runs_without_them(sketches, tmp_path, environment):
    script = WITHOUT + (
        "from gmbench.commands.app import main; sys.argv[1:] = ['eval', '--videos', sys.argv[1], '--reference',"
        " sys.argv[2], '--landmarks', 'sidecar', '--metrics', 'psnr,m_lmd,ba_m2a', '--out', sys.argv[3]]; main()"
    )
    arguments = [sketches / "near", sketches / "reference", tmp_path / "out"]
    done = subprocess.run([sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "records.parquet").is_file()


@pytest.mark.parametrize(
    ("use", "name"),
    [
        ("from gmbench.nn import training; training._open_live(__import__('pathlib').Path('.'), 0)", "train"),
        ("from gmbench.face import landmarks; landmarks.backend('fan').open().__enter__()", "fan"),
    ],
)
def test_what_needs_a_missing_package_names_its_extra(use, name, environment):
    script = (
        WITHOUT
        + f"""
from gmbench.errors import PackageError
try:
    {use}
except PackageError as error:
    print(error)
"""
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert f"pip install 'gmbench[{name}]'" in done.stdout


def test_an_import_that_fails_inside_a_package_is_no_missing_package():
    with pytest.raises(ImportError, match="broken"), extra("train"):
        raise ImportError("broken")
    with pytest.raises(PackageError, match="package absent_one is not installed"), extra("train"):
        import absent_one  # noqa: F401
