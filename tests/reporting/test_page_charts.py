"""Parts, drawings and downloads of the page in a real browser: they show the records' numbers, and dots open clips."""

import csv
import io
import re

import numpy as np
import pytest

from gmbench.reporting.page import PageContent, write
from gmbench.reporting.summary import Summary
from tests.reporting.browser import complaints, wait
from tests.reporting.test_tables import rows, table_of

CLIPS = 8
EMOTIONS = ["happy", "happy", "sad", "sad", "angry", "angry", "neutral", "neutral"]
SEEN = ["happy", "sad", "sad", "sad", "angry", "happy", "neutral", "neutral"]
LEVELS = {f"c{n:02d}": n % 3 + 1 for n in range(CLIPS)}
MADE = np.random.default_rng(3).normal(size=(2, 3, CLIPS))
"""Of two methods under three metrics."""


def labelled(made):
    """Rows with the labels of their clips."""
    return [row | {"emotion": EMOTIONS[n], "speaker": f"s{n // 3}"} for n, row in enumerate(made)]


def values_of(place, key):
    """What a method's clips have under one of the metrics."""
    scale, middle = {"psnr": (2, 25 + place), "ssim": (0.05, 0.8), "m_lmd": (0.2, 3 - place)}[key]
    return middle + scale * MADE[place, ("psnr", "ssim", "m_lmd").index(key)]


def records_of(dataset, methods):
    made = []
    for place, method in enumerate(methods):
        made += [
            labelled(rows(method, key, values_of(place, key), dataset=dataset)) for key in ("psnr", "ssim", "m_lmd")
        ]
        hit = [100.0 * (asked == saw) for asked, saw in zip(EMOTIONS, SEEN, strict=True)]
        seen = labelled(rows(method, "acc_emo", hit if place == 0 else [100.0] * CLIPS, dataset=dataset))
        flags = SEEN if place == 0 else EMOTIONS
        made.append([row | {"flags": f"seen:{saw}"} for row, saw in zip(seen, flags, strict=True)])
    return made


@pytest.fixture(scope="module")
def charts(tmp_path_factory):
    """A page of two datasets without videos, of which all values are known."""
    out = tmp_path_factory.mktemp("charts") / "page"
    table = table_of(*records_of("first", ["a", "b"]), *records_of("second", ["b", "c"]))
    write(PageContent("charts", Summary.per_protocol(table), levels={"first": LEVELS}), out)
    return out


@pytest.fixture
def drawn(browser, charts):
    browser.get("about:blank")
    browser.get((charts / "index.html").as_uri())
    yield browser
    assert complaints(browser) == []


def near(driver, section):
    """What is drawn when it comes near the window."""
    driver.execute_script("document.getElementById(arguments[0]).scrollIntoView()", section)


def choose(driver, field, value):
    script = "const s = arguments[0]; s.value = arguments[1]; s.dispatchEvent(new Event('change'))"
    driver.execute_script(script, driver.find_element("css selector", field), value)


def click(driver, element):
    """A click of the mouse where the element is seen."""
    from selenium.webdriver import ActionChains

    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    ActionChains(driver).move_to_element(element).click().perform()


def numbers(element, names):
    return [float(element.get_attribute(name)) for name in names]


@pytest.mark.parametrize(
    ("by", "labels"),
    [
        ("emotion", EMOTIONS),
        ("level", [str(LEVELS[f"c{n:02d}"]) for n in range(CLIPS)]),
        ("speaker", [f"s{n // 3}" for n in range(CLIPS)]),
    ],
)
def test_means_by_emotion_level_and_speaker(drawn, by, labels):
    near(drawn, "parts")
    wait(lambda: drawn.find_elements("id", "by-part"))
    choose(drawn, "#choose-by", by)
    choose(drawn, "#choose-part-metric", "psnr")
    assert f"by={by}" in drawn.current_url or by == "emotion"
    wait(lambda: drawn.find_element("css selector", "#by-part caption").text.startswith("PSNR"))
    names = [th.text.split("\n")[0] for th in drawn.find_elements("css selector", "#by-part thead th")][1:]
    assert sorted(names) == sorted(set(labels))
    lines = drawn.find_elements("css selector", "#by-part tbody tr:not(.band)")
    assert [line.find_element("css selector", "th").text for line in lines] == ["a", "b"]
    for place, line in enumerate(lines):
        shown = [float(cell.text) for cell in line.find_elements("css selector", "td")]
        values = values_of(place, "psnr")
        wanted = [values[[label == name for label in labels]].mean() for name in names]
        assert shown == pytest.approx(wanted, abs=0.01)


def test_the_confusion_matrix_of_each_method(drawn):
    near(drawn, "parts")
    tables = {table.find_element("css selector", "caption").text: table
              for table in wait(lambda: drawn.find_elements("css selector", "#confusion table"))}  # fmt: skip
    assert list(tables) == ["a", "b"]
    for name, seen in (("a", SEEN), ("b", EMOTIONS)):
        columns = drawn.execute_script(
            "return [...arguments[0].querySelectorAll('thead th span')].map((one) => one.textContent)", tables[name]
        )
        for line in tables[name].find_elements("css selector", "tbody tr"):
            asked = line.find_element("css selector", "th").text
            counts = [cell.text for cell in line.find_elements("css selector", "td")]
            both = list(zip(EMOTIONS, seen, strict=True))
            assert counts == [str(both.count((asked, column)) or "·") for column in columns]


def test_the_distribution_has_a_dot_a_clip_where_its_value_is(drawn):
    near(drawn, "spread")
    wait(lambda: drawn.find_elements("css selector", "#spread-plot svg"))
    choose(drawn, "#choose-spread-metric", "ssim")
    wait(lambda: "SSIM" in drawn.find_element("css selector", "#spread-plot svg").get_attribute("aria-label"))
    places, values = [], []
    for place, method in enumerate("ab"):
        dots = drawn.find_elements("css selector", f"#spread-plot .dot[data-method={method}]")
        assert sorted(dot.get_attribute("data-clip") for dot in dots) == [f"c{n:02d}" for n in range(CLIPS)]
        places += [numbers(dot, ["cx"])[0] for dot in dots]
        values += [values_of(place, "ssim")[int(dot.get_attribute("data-clip")[1:])] for dot in dots]
    slope, start = np.polyfit(values, places, 1)
    assert slope > 0
    assert np.polyval([slope, start], values) == pytest.approx(places, abs=1)
    means = [numbers(line, ["x1"])[0] for line in drawn.find_elements("css selector", "#spread-plot .mean")]
    assert means == pytest.approx([slope * values_of(n, "ssim").mean() + start for n in (0, 1)], abs=1)
    middles = drawn.find_elements("css selector", "#spread-plot .quartiles")
    for n, middle in enumerate(middles):
        ends = np.quantile(values_of(n, "ssim"), (0.25, 0.75))
        assert numbers(middle, ["x1", "x2"]) == pytest.approx(slope * ends + start, abs=1)
    assert len(drawn.find_elements("css selector", "#spread-plot .violin")) == 2


def test_the_parallel_plot_has_the_best_of_each_metric_at_the_top(drawn):
    keys = ["ssim", "psnr", "m_lmd", "acc_emo"]
    lines = {line.get_attribute("data-name"): line for line in drawn.find_elements("css selector", "#profile .line")}
    assert list(lines) == ["a", "b"]
    found = {
        name: [float(point.split(",")[1]) for point in
               line.find_element("css selector", "polyline").get_attribute("points").split()]
        for name, line in lines.items()
    }  # fmt: skip
    assert {len(points) for points in found.values()} == {len(keys)}
    for n, key in enumerate(keys):
        a, b = [75.0, 100.0] if key == "acc_emo" else [values_of(place, key).mean() for place in (0, 1)]
        better = "ab"[int((a < b) != (key == "m_lmd"))]
        worse = "ab"["ba".index(better)]
        assert found[better][n] < found[worse][n], key  # up is less
    drawn.find_element("id", "find").send_keys("a")
    wait(lambda: not drawn.find_elements("css selector", "#profile .line"))  # one line compares nothing


def test_a_dot_of_two_metrics_opens_its_clip(shown):
    """On a page with videos: dots lie where the values are, and the clip that opens is the one of the dot."""
    shown.execute_script("openMethod('far')")
    wait(lambda: shown.find_elements("css selector", "#method svg .dot"))
    for field, key in zip(
        shown.find_elements("css selector", "#method h3 + .transport select"), ("ssim", "psnr"), strict=True
    ):
        shown.execute_script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))", field, key
        )
    wait(lambda: "SSIM" in shown.find_element("css selector", "#method svg").get_attribute("aria-label"))
    clips = shown.execute_script("return loadClips('far')")
    dots = shown.find_elements("css selector", "#method svg .dot")
    which = [int(dot.get_attribute("data-n")) for dot in dots]
    assert sorted(which) == list(range(len(clips["clips"])))
    places = np.array([numbers(dot, ["cx", "cy"]) for dot in dots])
    for side, (key, up) in enumerate((("ssim", 1), ("psnr", -1))):  # the vertical axis of a picture goes down
        values = [clips["values"][key][n] for n in which]
        assert list(np.argsort(places[:, side])) == list(np.argsort(up * np.array(values)))
    click(shown, dots[-1])
    wait(lambda: shown.find_elements("css selector", "#player video"))
    name = clips["clips"][which[-1]]
    assert shown.find_element("css selector", "#player h3").text == name
    assert re.sub("/", "%2F", name) in shown.current_url


def test_a_dot_of_the_distribution_opens_its_clip(shown):
    near(shown, "spread")
    dot = wait(lambda: shown.find_elements("css selector", "#spread-plot .dot[data-method=far]"))[-1]
    name = dot.get_attribute("data-clip")
    click(shown, dot)
    wait(lambda: shown.find_elements("css selector", "#player video"))
    assert shown.find_element("css selector", "#method h2").text == "far"
    assert shown.find_element("css selector", "#player h3").text == name


def test_the_address_holds_the_dataset_too(drawn):
    methods = "#chosen-table tbody tr:not(.band) th"
    choose(drawn, "#choose-board", "1")
    assert [th.text for th in drawn.find_elements("css selector", methods)] == ["b", "c"]
    drawn.find_element("css selector", "#chosen-table th[data-key=psnr] button").click()
    drawn.find_element("id", "find").send_keys("c")
    drawn.execute_script("openMethod('c', 'c03')")
    wait(lambda: drawn.find_elements("css selector", "#values tbody tr"))
    for part in ("dataset=second", "sort=psnr", "find=c", "method=c", "clip=c03"):
        assert part in drawn.current_url
    drawn.refresh()
    wait(lambda: drawn.find_elements("css selector", "#values tbody tr"))
    assert [th.text for th in drawn.find_elements("css selector", methods)] == ["c"]
    assert "on second:" in drawn.find_element("id", "headline").text
    assert drawn.find_element("css selector", "#chosen-table th[aria-sort]").get_attribute("data-key") == "psnr"
    assert drawn.find_element("css selector", "#player h3").text == "c03"
    assert drawn.find_element("id", "choose-board").get_attribute("value") == "1"


def test_downloads_hold_the_numbers_of_the_table(drawn, tmp_path):
    drawn.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    for kind in ("CSV", "LaTeX"):
        click(drawn, next(a for a in drawn.find_elements("css selector", "#files a") if a.text == kind))
    text = wait(lambda: (tmp_path / "board-0.csv").is_file() and (tmp_path / "board-0.csv").read_text("utf-8"))
    lines = {line["method"]: line for line in csv.DictReader(io.StringIO(text))}
    assert list(lines) == ["a", "b"]
    for place, method in enumerate("ab"):
        for key in ("psnr", "ssim", "m_lmd"):
            assert float(lines[method][key]) == pytest.approx(values_of(place, key).mean(), rel=1e-3)
            cell = drawn.find_element("css selector", f"#tables td[data-method={method}][data-key={key}]").text
            assert float(cell.split("\n")[0]) == pytest.approx(float(lines[method][key]), rel=1e-3)
    latex = wait(lambda: (tmp_path / "board-0.tex").is_file() and (tmp_path / "board-0.tex").read_text("utf-8"))
    body = latex.partition(r"\midrule")[2].partition(r"\bottomrule")[0]
    found = [line.split("&") for line in body.splitlines() if "&" in line]
    assert [line[0].strip() for line in found] == ["a", "b"]
    shown = drawn.find_element("css selector", "#tables td[data-method=b][data-key=psnr]").text.split("\n")[0]
    assert shown in found[1][2]


def test_keys_alone_sort_and_skip_to_the_tables(drawn):
    from selenium.webdriver.common.keys import Keys

    drawn.find_element("css selector", "body").send_keys(Keys.TAB)
    assert drawn.switch_to.active_element.text == "To the tables"
    drawn.switch_to.active_element.send_keys(Keys.ENTER)
    assert drawn.switch_to.active_element.get_attribute("id") == "board"
    first = drawn.find_element("css selector", "#chosen-table tbody [tabindex='0']")
    drawn.execute_script("arguments[0].focus()", first)
    for key in (Keys.ARROW_UP, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT):
        drawn.switch_to.active_element.send_keys(key)
    assert drawn.switch_to.active_element.get_attribute("data-key") == "psnr"
    assert drawn.find_element("id", "tip").is_displayed()
    drawn.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not drawn.find_element("id", "tip").is_displayed()
    drawn.switch_to.active_element.send_keys(Keys.ENTER)
    assert "sort=psnr" in drawn.current_url
    order = [th.text for th in drawn.find_elements("css selector", "#chosen-table tbody tr:not(.band) th")]
    assert order == sorted("ab", key=lambda name: -values_of("ab".index(name), "psnr").mean())


def test_dark_follows_the_system(drawn):
    colours = "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"

    def brightness(colour):
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3

    for scheme, dark in (("light", False), ("dark", True)):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        drawn.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        page, text = map(brightness, drawn.execute_script(colours))
        assert (page < text) == dark
    drawn.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_narrow_phones_scroll_no_page_sideways(drawn):
    """At 320 and 360 pixels, every section, with a clip open."""
    drawn.execute_script("openMethod('a', 'c01')")
    wait(lambda: drawn.find_elements("css selector", "#values tbody tr"))
    for width in (320, 360):
        phone = {"width": width, "height": 640, "deviceScaleFactor": 1, "mobile": True}
        drawn.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
        try:
            for section in ("parts", "spread"):
                near(drawn, section)
            wait(lambda: drawn.find_elements("css selector", "#spread-plot svg"))
            assert drawn.execute_script("return [document.documentElement.scrollWidth, innerWidth]") == [width, width]
        finally:
            drawn.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
