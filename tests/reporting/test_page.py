"""The page in a real browser: sort, filter, open clips, play in step; and what outside names cannot do."""

import json
import re
import threading
import urllib.request
from pathlib import Path

import pytest

from gmbench.errors import InputError
from gmbench.reporting.page import PageContent, Section, server, write
from gmbench.reporting.page.sections import left_out
from gmbench.reporting.page.write import script_json
from gmbench.reporting.summary import Summary
from tests.reporting.browser import HOSTILE, complaints, open_clips, shot, wait
from tools.random_records import random_records


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
    assert ", evaluated 20" in text
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


OPENED_WITHIN = 2000
"""Milliseconds until a page of thirty methods of a thousand clips stands there with its tables."""


def test_thirty_methods_of_a_thousand_clips_are_as_few_elements_as_of_sixty(browser, tmp_path):
    """What is shown does not grow with the clips: they are data, drawn page by page."""

    def elements(clips):
        summaries = Summary.per_protocol(random_records(30, clips, ("psnr", "ssim", "m_lmd")))
        folder = tmp_path / str(clips)
        write(PageContent("many", summaries, sections=[Section("s", "<p>x</p>")]), folder)
        browser.get((folder / "index.html").as_uri())
        wait(lambda: len(names(browser)) == 31)
        loaded = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
        assert 0 < wait(lambda: browser.execute_script(loaded)) < OPENED_WITHIN
        return browser.execute_script('return document.getElementsByTagName("*").length')

    few, many = elements(60), elements(1000)
    assert many < 1.2 * few
    rows = open_clips(browser, "method_01")
    assert len(rows) == 50
    assert "1000 clips, page 1 of 20" in browser.find_element("id", "clips").text
    assert complaints(browser) == []


def test_many_sections_are_folded_away_in_the_head(browser, tmp_path):
    summaries = Summary.per_protocol(random_records(1, 6, ("psnr",)))
    write(PageContent("many", summaries, sections=[Section(f"part {n}", "<p>x</p>") for n in range(9)]), tmp_path / "p")
    browser.get((tmp_path / "p" / "index.html").as_uri())
    link = next(a for a in browser.find_elements("css selector", "nav a") if "part 7" in a.get_attribute("textContent"))
    assert not link.is_displayed()
    browser.find_element("css selector", "nav summary").click()
    link.click()
    assert browser.switch_to.active_element.find_element("css selector", "h2").text == "part 7"


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
