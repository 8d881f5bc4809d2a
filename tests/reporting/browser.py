"""A headless Chromium for pages on this disk, and records of any size for them."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gmbench.evaluation.results import records

HEAD = {
    "dataset": "d", "status": "ok", "reason": "", "flags": "", "frames_used": 10, "frames_expected": 10,
    "clips_used": 1, "clips_expected": 1, "protocol": "full", "protocol_hash": "h", "backend": "official",
    "weights_sha256": "", "metric_version": 1, "generated_sha256": "", "reference_sha256": "", "generated_size": "",
    "reference_size": "",
}  # fmt: skip


def open_browser(width: int = 1300, height: int = 900, dark: bool = False):
    """A driver; skips where Debian's chromium and chromedriver are not installed."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--autoplay-policy=no-user-gesture-required", f"--window-size={width},{height}",
    ):  # fmt: skip
        options.add_argument(flag)
    if dark:
        options.add_argument("--force-dark-mode")
        options.add_argument("--blink-settings=preferredColorScheme=0")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


def complaints(driver) -> list[str]:
    """Errors in the console."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def many_records(methods: int, clips: int, metrics: tuple[str, ...]) -> pd.DataFrame:
    """Random records of methods and the ground truth, some of them failed."""
    rng = np.random.default_rng(0)
    names = [f"method_{n:02d}" for n in range(methods)] + ["ground_truth"]
    hard = rng.normal(0, 1, clips)
    parts = []
    for place, method in enumerate(names):
        for metric in metrics:
            value = 20 + hard + 0.1 * place + rng.normal(0, 1, clips)
            bad = rng.random(clips) < (0.02 if place % 5 == 1 else 0)
            part = pd.DataFrame(HEAD, index=range(clips))
            part = part.assign(
                method=method, metric=metric, metric_name=metric.split("_fb:")[0], value=np.where(bad, np.nan, value),
                status=np.where(bad, "failed", "ok"), reason=np.where(bad, "no face found", ""),
                clips_used=(~bad).astype(int), clip=[f"clip_{n:04d}" for n in range(clips)],
                speaker=[f"s{n % 8}" for n in range(clips)],
                emotion=["happy" if n % 2 else "sad" for n in range(clips)],
            )  # fmt: skip
            parts.append(part)
    table = pd.concat(parts)[records.SCHEMA.names]
    return table.sort_values(records.ORDER, kind="stable", ignore_index=True)


def shot(driver, path: Path) -> None:
    """A picture of what the browser shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    driver.save_screenshot(str(path))
