"""A page of an evaluation in a real browser, for the tests of the page and of its player."""

import shutil
import sys

import pytest

from gmbench.commands import app
from tests.reporting.browser import HOSTILE, complaints, open_browser


@pytest.fixture(scope="session")
def page(sketches, tmp_path_factory):
    """A page of an evaluation: one hostile name, one method with two clips of six missing, two controls."""
    root = tmp_path_factory.mktemp("page")
    partial = root / "partial"
    shutil.copytree(sketches / "far", partial)
    shutil.rmtree(partial / "S002")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GMBENCH_STORE", str(root / "store"))
        for arguments in (
            ["eval", "--videos", sketches / "near", "--method", HOSTILE, "--videos", partial, "--method", "partial",
             "--videos", sketches / "far", "--method", "far", "--reference", sketches / "reference", "--landmarks",
             "sidecar", "--pose", "mediapipe", "--controls", "ground_truth,still", "--metrics", "psnr,ssim,m_lmd,pcm",
             "--dataset", "sketch", "--out", root / "results"],
            ["report", "--records", root / "results", "--out", root / "reports", "--title", "A <b>test</b>"],
        ):  # fmt: skip
            patch.setattr(sys, "argv", ["gmbench", *map(str, arguments)])
            with pytest.raises(SystemExit) as stop:
                app.main()
            assert stop.value.code == 0
    return root / "reports"


@pytest.fixture(scope="module")
def browser():
    driver = open_browser()
    yield driver
    driver.quit()


@pytest.fixture
def shown(browser, page):
    browser.get((page / "index.html").as_uri())
    yield browser
    assert complaints(browser) == []
