"""A headless Chromium for pages on this disk."""

import shutil
import time
from pathlib import Path

import pytest

HOSTILE = "<script>window.broken=1</script>"
"""Name of a method that must stay text."""


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
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--autoplay-policy=no-user-gesture-required",
        f"--window-size={width},{height}",
    ):
        options.add_argument(flag)
    if dark:
        options.add_argument("--force-dark-mode")
        options.add_argument("--blink-settings=preferredColorScheme=0")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


def complaints(driver) -> list[str]:
    """Errors in the console."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def shot(driver, path: Path) -> None:
    """A picture of what the browser shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    driver.save_screenshot(str(path))


def wait(condition, seconds=10.0):
    """What a condition gives once it gives anything."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "the page did not come to it"
        time.sleep(0.05)
    return found


def open_clips(driver, method):
    """Rows of a method's clips, which a click on its name shows."""
    button = next(b for b in driver.find_elements("css selector", "#chosen-table th button") if b.text == method)
    driver.execute_script("arguments[0].click()", button)
    return wait(lambda: driver.find_elements("css selector", "#clips tbody tr"))
