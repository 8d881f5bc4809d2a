"""The page in a real browser: sort, filter, open clips, play in step; and what outside names cannot do."""

import json
import re
import shutil
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from gmbench.commands import app
from gmbench.errors import InputError
from gmbench.reporting.page import PageContent, Section, server, write
from gmbench.reporting.page.sections import left_out
from gmbench.reporting.page.write import from_folders, script_json
from gmbench.reporting.summary import Summary
from tests.reporting.browser import complaints, open_browser, shot
from tools.random_records import random_records

READY = "return [...document.querySelectorAll('#player video')].every((v) => v.readyState >= 3)"
HOSTILE = "<script>window.broken=1</script>"


@pytest.fixture(scope="module")
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


def names(driver):
    cells = driver.find_elements("css selector", "#chosen-table tbody tr:not(.band) th")
    return [cell.text.split("\n")[0] for cell in cells]


def test_nothing_is_loaded_from_elsewhere(page):
    text = (page / "index.html").read_text("utf-8")
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", text) == []
    assert "<b>test" not in text
    assert HOSTILE not in text
    assert HOSTILE not in "".join(path.read_text("utf-8") for path in (page / "data").iterdir())


def test_outside_names_are_text(shown):
    assert HOSTILE in names(shown)
    assert shown.execute_script("return window.broken") is None
    assert shown.title == "A <b>test</b>"


def test_sorting_puts_the_best_first_and_turns_within_bands(shown):
    head = "#chosen-table th[data-key=psnr]"
    shown.find_element("css selector", f"{head} button").click()
    assert names(shown) == [HOSTILE, *sorted(["far", "partial"], key=names(shown).index), "ground_truth", "still"]
    assert shown.find_element("css selector", head).get_attribute("aria-sort") == "descending"
    assert "sort=psnr" in shown.current_url
    shown.find_element("css selector", f"{head} button").click()
    assert names(shown)[2] == HOSTILE
    assert names(shown)[-1] == "ground_truth"
    shown.find_element("css selector", "#chosen-table th[data-key^=m_lmd] button").click()
    assert names(shown)[0] == HOSTILE  # lower is better
    bands = [row.text for row in shown.find_elements("css selector", "#chosen-table .band")]
    assert bands == ["Methods", "Controls: made from the real clip"]


def test_filters_and_column_sets(shown):
    shown.find_element("id", "controls").click()
    assert names(shown) == [HOSTILE, "far", "partial"]
    shown.find_element("id", "find").send_keys("FA")
    assert names(shown) == ["far"]
    shown.find_element("id", "find").send_keys("XX")
    assert 'No method has "FAXX" in its name' in shown.find_element("id", "chosen").text
    shown.find_element("id", "find").clear()

    def headings():
        return [
            th.get_attribute("data-key") for th in shown.find_elements("css selector", "#tables thead th[data-key]")
        ]

    assert [key.partition("_fb:")[0] for key in headings()] == ["psnr", "ssim", "m_lmd", "pcm"]
    shown.find_element("css selector", "#column-sets input[value=Lips]").click()
    assert [key.partition("_fb:")[0] for key in headings()] == ["m_lmd"]
    shown.find_element("css selector", "#metric-list summary").click()
    shown.find_element("css selector", "#metric-list input[data-key=ssim]").click()
    assert headings()[0] == "ssim"


def test_an_address_shows_the_same_again(shown, page):
    address = f"{(page / 'index.html').as_uri()}#sort=ssim&controls=0&find=ar&method=far"
    shown.get("about:blank")
    shown.get(address)
    wait(lambda: shown.find_elements("css selector", "#clips tbody tr"))
    assert sorted(names(shown)) == ["far", "partial"]
    assert shown.find_element("css selector", "#chosen-table th[aria-sort]").get_attribute("data-key") == "ssim"
    shown.find_element("css selector", "#clips tbody th button").click()
    wait(lambda: shown.find_elements("css selector", "#player video"))
    assert "clip=" in shown.current_url
    shown.back()
    assert "clip=" not in shown.current_url
    wait(lambda: not shown.find_elements("css selector", "#player video"))


def test_the_headline_and_the_files_of_the_table(shown, page):
    text = shown.find_element("id", "headline").text
    assert "3 methods, beside 2 controls made from the real clips, on sketch: 6 clips of 3 people" in text
    assert "Evaluated 20" in text
    assert "fallback" not in shown.find_element("css selector", "#chosen-table thead").text
    assert "†" in shown.find_element("css selector", "#chosen-table thead").text
    for link in shown.find_elements("css selector", "#files a"):
        assert (page / link.get_dom_attribute("href")).stat().st_size > 100
    assert (page / "tables" / "board-0.tex").read_text("utf-8").count("\\\\") > 5


def test_numbers_tell_where_they_come_from(shown):
    cell = shown.find_element("css selector", "#table-picture td[data-method=partial][data-key=psnr]")
    shown.execute_script("arguments[0].focus()", cell)
    told = shown.find_element("id", "tip").text
    for part in ("PSNR", "version 2", "4 of 6 clips", "protocol full", "extractor: official"):
        assert part in told
    assert "4/6" in cell.text
    assert cell.get_attribute("aria-describedby") == "tip"


def test_keys_move_between_cells_and_open_a_method(shown):
    from selenium.webdriver.common.keys import Keys

    first = shown.find_element("css selector", "#chosen-table tbody [tabindex='0']")
    shown.execute_script("arguments[0].focus()", first)
    shown.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    shown.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert shown.switch_to.active_element.get_attribute("data-method") == "far"
    shown.switch_to.active_element.send_keys(Keys.ENTER)
    wait(lambda: shown.find_elements("css selector", "#clips tbody tr"))
    assert shown.find_element("css selector", "#method h2").text == "far"


def wait(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "the page did not come to it"
        time.sleep(0.05)
    return found


def open_clips(driver, method):
    button = next(b for b in driver.find_elements("css selector", "#chosen-table th button") if b.text == method)
    driver.execute_script("arguments[0].click()", button)
    return wait(lambda: driver.find_elements("css selector", "#clips tbody tr"))


def test_worst_and_best_clips_and_failures(shown):
    rows = open_clips(shown, "partial")
    assert len(rows) == 6
    assert "has no clip named" in shown.find_element("css selector", "#method details").text
    shown.find_element("id", "worst").click()
    values = [cell.text for cell in shown.find_elements("css selector", "#clips tbody tr > :nth-child(2)")]
    numbers = [float(v) for v in values if v != "n/a"]
    assert numbers == sorted(numbers)
    assert values[-2:] == ["n/a", "n/a"]
    shown.find_element("id", "best").click()
    first = shown.find_element("css selector", "#clips tbody tr > :nth-child(2)").text
    assert float(first) == max(numbers)


def beside(driver, method):
    more = driver.find_element("id", "beside")
    driver.execute_script(
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))", more, method
    )


def test_clips_play_in_step_with_controls_made_in_the_page(shown, page):
    open_clips(shown, HOSTILE)
    shown.find_element("css selector", "#clips tbody th button").click()
    wait(lambda: len(shown.find_elements("css selector", "#player video")) == 2)
    beside(shown, "far")
    wait(lambda: len(shown.find_elements("css selector", "#player video")) == 3)
    beside(shown, "still")
    wait(lambda: len(shown.find_elements("css selector", "#player video")) == 4)
    wait(lambda: shown.execute_script(READY))
    shown.find_element("id", "play").click()
    times = "return [...document.querySelectorAll('#player video')].map((v) => [v.currentTime, v.paused, v.muted])"
    wait(lambda: shown.execute_script(times)[0][0] > 0.4)
    apart = []
    for _ in range(8):
        *found, still = shown.execute_script(times)
        assert not any(paused for _, paused, _ in found)
        assert still[:2] == [0, True]
        apart.append(max(t for t, _, _ in found) - min(t for t, _, _ in found))
        time.sleep(0.05)
    assert sorted(apart)[len(apart) // 2] < 0.08  # two frames
    assert [muted for *_, muted in found] == [False, True, True]
    shown.find_element("id", "play").click()
    assert all(paused for _, paused, _ in shown.execute_script(times))
    head = [th.text for th in shown.find_elements("css selector", "#values thead th")]
    assert head == ["Metric", HOSTILE, "far", f"− {HOSTILE}", "still", f"− {HOSTILE}"]
    line = shown.find_element("css selector", "#values tbody tr").text.split()  # PSNR ↑ dB near far difference ...
    assert float(line[5]) == pytest.approx(float(line[4]) - float(line[3]), abs=0.02)
    assert "beside=far%2Cstill" in shown.current_url
    shot(shown, page.parent / "shots" / "players.png")


def test_frames_step_and_differences_lie_over_the_clips(shown):
    open_clips(shown, "far")
    shown.find_element("css selector", "#clips tbody th button").click()
    wait(lambda: len(shown.find_elements("css selector", "#player video")) == 2)
    wait(lambda: shown.execute_script("return document.querySelector('#player video').readyState >= 3"))
    for _ in range(3):
        shown.find_element("id", "forward").click()
        wait(lambda: not shown.execute_script("return document.querySelector('#player video').seeking"))
    assert "frame 3" in wait(lambda: shown.find_element("css selector", ".time").text)
    shown.find_element("id", "back").click()
    wait(lambda: "frame 2" in shown.find_element("css selector", ".time").text)
    shown.find_element("id", "differences").click()
    over = wait(lambda: shown.find_elements("css selector", ".difference .over"))
    assert "/reference/" in over[0].get_attribute("src")
    find = "const s = document.querySelector(`select[aria-label=${arguments[0]}]`);"
    choose = f"{find} s.value = arguments[1]; s.dispatchEvent(new Event('change'));"
    for name, value in (("zoom", "2"), ("speed", "0.5")):
        shown.execute_script(choose, name, value)
    assert all(part in shown.current_url for part in ("differences=1", "zoom=2", "speed=0.5"))
    shown.refresh()
    wait(lambda: shown.find_elements("css selector", ".difference .over"))
    assert [shown.execute_script(f"{find} return s.value;", name) for name in ("zoom", "speed")] == ["2", "0.5"]
    assert "--zoom: 2" in shown.find_element("css selector", "#player .players").get_attribute("style")
    shown.find_element("id", "differences").click()
    for name in ("zoom", "speed"):
        shown.execute_script(choose, name, "1")
    assert not any(part in shown.current_url for part in ("differences", "zoom", "speed"))


HIT = """
const canvas = document.querySelectorAll('#player canvas')[arguments[0]], pen = canvas.getContext('2d');
const scale = canvas.width / arguments[2];
const near = (v) => Math.round(v * scale) - 1;
return arguments[1].filter(([x, y]) => pen.getImageData(near(x), near(y), 3, 3).data.some((v) => v > 0)).length;
"""


def hits(driver, n, points, size=128):
    """How many of 68 points (68, 2) in pixels of the clip are drawn on the n-th canvas."""
    return driver.execute_script(HIT, n, points.tolist(), size)


def go_to(driver, frame):
    """Move the player to the middle of a frame."""
    seek = "const s = document.querySelector('#transport input'), v = document.querySelector('#player video');"
    move = "s.value = (arguments[0] + 0.5) / 25 / v.duration; s.dispatchEvent(new Event('input'));"
    driver.execute_script(seek + move, frame)
    wait(lambda: driver.find_element("css selector", ".time").text.endswith(f"frame {frame}"))


def test_landmarks_lie_over_the_clips_frame_by_frame(shown, sketches, page):
    """Those of the files that the evaluation read, of the frame that is shown; by a key, and kept in the address."""
    open_clips(shown, "far")
    shown.find_element("css selector", "#clips tbody th button").click()
    wait(lambda: shown.execute_script(READY) and len(shown.find_elements("css selector", "#player video")) == 2)
    assert not shown.find_elements("css selector", "#player canvas")
    shown.switch_to.active_element.send_keys("l")
    assert shown.find_element("id", "landmarks").get_attribute("aria-pressed") == "true"
    assert "landmarks=1" in shown.current_url
    truth = [np.load(sketches / name / "S000" / "000.landmarks.npz")["points"] for name in ("reference", "far")]
    for frame, other in ((4, 40), (40, 4)):
        go_to(shown, frame)
        wait(lambda wanted=truth[1][frame]: hits(shown, 1, wanted) == 68)
        assert hits(shown, 0, truth[0][frame]) == 68
        assert hits(shown, 1, truth[0][frame]) == 68  # the reference's, too
        assert hits(shown, 0, truth[0][other]) < 68
    shot(shown, page.parent / "shots" / "landmarks.png")
    shown.switch_to.active_element.send_keys(".")
    wait(lambda: shown.find_element("css selector", ".time").text.endswith("frame 41"))
    shown.get(shown.current_url + "&controls=0")
    shown.refresh()
    wait(lambda: len(shown.find_elements("css selector", "#player canvas")) == 2)
    shown.find_element("id", "landmarks").click()
    assert "landmarks=1" not in shown.current_url
    assert not any(one.is_displayed() for one in shown.find_elements("css selector", "#player canvas"))


def test_the_player_says_why_there_are_no_landmarks(browser, page, tmp_path):
    from_folders([page.parent / "results"], tmp_path / "page", "Bare", store=tmp_path / "none")
    assert not list((tmp_path / "page" / "data").glob("landmarks-*"))
    browser.get(f"{(tmp_path / 'page' / 'index.html').as_uri()}#method=far&clip=S000%2F000&landmarks=1")
    told = wait(lambda: browser.find_elements("id", "no-landmarks"))
    assert "its store does not have them" in told[0].text
    assert not browser.find_elements("id", "landmarks")
    assert complaints(browser) == []


OWN_PARTS = {
    "include": [["header"], *([f"#{name}"] for name in ("summary", "board", "parts", "spread", "method", "ranks"))]
}
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_and_a_screen_reader(browser, page, dark):
    """No sideways page, and no violation that axe finds, in both colour schemes, with a clip open."""
    axe = pytest.importorskip("axe_core_python").__path__[0]
    colour = "return getComputedStyle(document.body).backgroundColor"
    browser.get((page / "index.html").as_uri())
    before = browser.execute_script(colour)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    try:
        if dark:
            browser.find_element("id", "theme").click()
            assert browser.execute_script(colour) != before
        open_clips(browser, "partial")
        browser.execute_script("arguments[0].click()", browser.find_element("css selector", "#clips tbody th button"))
        wait(lambda: browser.find_elements("css selector", "#values tbody tr"))
        for section in ("parts", "spread"):
            browser.execute_script("document.getElementById(arguments[0]).scrollIntoView()", section)
        wait(lambda: browser.find_elements("css selector", "#spread-plot svg"))
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        shot(browser, page.parent / "shots" / f"phone{'-dark' if dark else ''}.png")
        browser.execute_script((Path(axe) / "axe.min.js").read_text("utf-8"))
        browser.set_script_timeout(120)
        found = browser.execute_async_script(f"axe.run({json.dumps(OWN_PARTS)}).then(arguments[0])")
        assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found["violations"]] == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_script("localStorage.clear()")
    assert complaints(browser) == []


def test_thirty_methods_of_a_thousand_clips_are_as_few_elements_as_of_sixty(browser, tmp_path):
    """What is shown does not grow with the clips: they are data, drawn page by page."""

    def elements(clips):
        summaries = Summary.per_protocol(random_records(30, clips, ("psnr", "ssim", "m_lmd")))
        folder = tmp_path / str(clips)
        write(PageContent("many", summaries, sections=[Section("s", "<p>x</p>")]), folder)
        browser.get((folder / "index.html").as_uri())
        wait(lambda: len(names(browser)) == 31)
        return browser.execute_script('return document.getElementsByTagName("*").length')

    few, many = elements(60), elements(1000)
    assert many < 1.2 * few
    rows = open_clips(browser, "method_01")
    assert len(rows) == 50
    assert "1000 clips, page 1 of 20" in browser.find_element("id", "clips").text
    assert complaints(browser) == []


def test_the_server_answers_byte_ranges_and_plays(page, browser):
    with server(page, 0) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{http.server_port}"
        file = next((page / "media").rglob("*.mp4"))
        url = f"{root}/{file.relative_to(page).as_posix()}"
        whole = file.read_bytes()
        for asked, part in (
            ("bytes=10-19", whole[10:20]),
            ("bytes=-7", whole[-7:]),
            (f"bytes={len(whole) - 3}-", whole[-3:]),
        ):
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Range": asked})) as answer:
                assert (answer.status, answer.read()) == (206, part)
        with pytest.raises(urllib.error.HTTPError, match="416"):
            urllib.request.urlopen(urllib.request.Request(url, headers={"Range": f"bytes={len(whole) + 5}-"}))
        browser.get(f"{root}/index.html")
        assert "far" in names(browser)
        http.shutdown()
    with pytest.raises(InputError, match="no page here"):
        server(page / "data", 0)


def test_scripts_hold_any_text():
    hostile = {"a</script>": "<!--\u2028&"}
    text = script_json(hostile)
    assert json.loads(text) == hostile
    assert not set("<>&\u2028") & set(text)


def test_the_page_says_what_was_left_out(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"warnings": ["fid left out: no <file>"]}))
    (section,) = left_out([tmp_path, tmp_path])
    assert section.body.count("fid left out: no &lt;file&gt;") == 1
    assert left_out([tmp_path / "none"]) == []
