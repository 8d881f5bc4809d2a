"""The page's player in a real browser: clips in step, frame by frame, differences and landmarks over them."""

import time

import cv2
import numpy as np
import pytest

from gmbench.reporting.page.write import from_folders
from tests.reporting.browser import HOSTILE, complaints, open_clips, shot, wait

READY = "return [...document.querySelectorAll('#player video')].every((v) => v.readyState >= 3)"

FIND = "const s = document.querySelector(`select[aria-label=${arguments[0]}]`);"
CHOOSE = f"{FIND} s.value = arguments[1]; s.dispatchEvent(new Event('change'));"


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
    for name, value in (("zoom", "2"), ("speed", "0.5")):
        shown.execute_script(CHOOSE, name, value)
    assert all(part in shown.current_url for part in ("differences=1", "zoom=2", "speed=0.5"))
    shown.refresh()
    wait(lambda: shown.find_elements("css selector", ".difference .over"))
    assert [shown.execute_script(f"{FIND} return s.value;", name) for name in ("zoom", "speed")] == ["2", "0.5"]
    assert "--zoom: 2" in shown.find_element("css selector", "#player .players").get_attribute("style")
    shown.find_element("id", "differences").click()
    for name in ("zoom", "speed"):
        shown.execute_script(CHOOSE, name, "1")
    assert not any(part in shown.current_url for part in ("differences", "zoom", "speed"))


BOX = """
const box = document.querySelectorAll('#player .screen')[arguments[0]].getBoundingClientRect();
return [box.left, box.top, box.width, box.height, devicePixelRatio];
"""


def screen_pixels(driver, n):
    """What the n-th screen shows (H, W, 3), without its rounded corners."""
    driver.execute_script("document.querySelector('#player .players').scrollIntoView()")
    left, top, wide, high, ratio = driver.execute_script(BOX, n)
    picture = cv2.imdecode(np.frombuffer(driver.get_screenshot_as_png(), np.uint8), cv2.IMREAD_COLOR)
    rows, columns = (slice(round((a + 8) * ratio), round((a + b - 8) * ratio)) for a, b in ((top, high), (left, wide)))
    return picture[rows, columns].astype(float)


def test_the_difference_to_the_reference_is_black_where_there_is_none(shown):
    """The ground truth is the reference; the far imitation is not."""
    for method, lightest in (("ground_truth", 2), ("far", 255)):
        open_clips(shown, method)
        shown.find_element("css selector", "#clips tbody th button").click()
        wait(lambda: shown.execute_script(READY) and len(shown.find_elements("css selector", "#player video")) == 2)
        plain = screen_pixels(shown, 1).mean()
        assert plain > 30
        shown.find_element("id", "differences").click()
        wait(lambda: len(shown.find_elements("css selector", ".difference .over")) == 1)
        wait(lambda: shown.execute_script(READY))
        go_to(shown, 20)
        wait(lambda lightest=lightest: screen_pixels(shown, 1).mean() < lightest)
        assert screen_pixels(shown, 0).mean() > 30  # the reference itself is shown as it is
        different = screen_pixels(shown, 1).mean()
        shown.find_element("id", "differences").click()
        wait(lambda: not shown.find_elements("css selector", ".difference"))
    assert 5 < different < plain


def test_full_screen_and_keys_of_the_player(shown):
    open_clips(shown, "far")
    shown.find_element("css selector", "#clips tbody th button").click()
    wait(lambda: shown.execute_script(READY) and len(shown.find_elements("css selector", "#player video")) == 2)
    before = shown.find_element("css selector", "#player video").size["width"]
    shown.find_element("id", "full").click()
    full = "return document.fullscreenElement && document.fullscreenElement.className"
    assert "players" in wait(lambda: shown.execute_script(full))
    wait(lambda: shown.find_element("css selector", "#player video").size["width"] > before)
    shown.execute_script("document.exitFullscreen()")
    wait(lambda: not shown.execute_script(full))
    body, video = shown.find_element("css selector", "body"), "return document.querySelector('#player video').paused"
    shown.execute_script("document.activeElement.blur()")
    for key, frame in ((".", 1), (".", 2), (",", 1)):
        body.send_keys(key)
        wait(lambda wanted=frame: shown.find_element("css selector", ".time").text.endswith(f"frame {wanted}"))
    body.send_keys(" ")
    wait(lambda: not shown.execute_script(video))
    body.send_keys(" ")
    wait(lambda: shown.execute_script(video))


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


MOUTHS = """
return [...document.querySelectorAll('#player .screen')].map((screen) => {
  const video = screen.querySelector('video').getBoundingClientRect(), box = screen.getBoundingClientRect();
  return [video.left - box.left, video.top - box.top, video.width].map((length) => length / box.width);
});
"""


def test_the_mouth_crop_follows_the_mouth_of_each_clip(shown, sketches, page):
    """Its centre, on average over a second, stands in the middle of the screen, half of it wide; in all alike."""
    open_clips(shown, "far")
    shown.find_element("css selector", "#clips tbody th button").click()
    wait(lambda: shown.execute_script(READY) and len(shown.find_elements("css selector", "#player video")) == 2)
    shown.execute_script(CHOOSE, "zoom", "mouth")
    assert "zoom=mouth" in shown.current_url
    truth = [np.load(sketches / name / "S000" / "000.landmarks.npz")["points"] for name in ("reference", "far")]
    width = np.linalg.norm(truth[0][:, 54] - truth[0][:, 48], axis=1).mean() / 128
    centres = {}
    for frame in (4, 30, 55):
        go_to(shown, frame)
        around = slice(max(0, frame - 12), frame + 13)

        def off(around=around):
            found = shown.execute_script(MOUTHS)
            placed = [
                np.array([left, top]) + points[around, 48:68].mean((0, 1)) / 128 * large
                for (left, top, large), points in zip(found, truth, strict=True)
            ]
            return np.abs(np.array(placed) - 0.5).max() < 0.01 and found

        found = wait(off)
        assert [large * width for *_, large in found] == pytest.approx([0.5, 0.5], abs=0.01)
        centres[frame] = np.array(found)[:, :2] / np.array(found)[:, 2:]
    assert np.abs(centres[4] - centres[55]).max() > 0.005  # heads move, and the crop with them
    assert np.abs(centres[4][0] - centres[4][1]).max() > 0.005  # each clip's own
    shown.find_element("id", "landmarks").click()
    wait(lambda: hits(shown, 1, truth[1][55]) == 68)  # drawn where the enlarged picture has them
    shot(shown, page.parent / "shots" / "mouths.png")
    assert not [one for one in shown.find_elements("css selector", ".uncropped") if one.is_displayed()]
    shown.execute_script(CHOOSE, "zoom", "1")
    wait(lambda: np.allclose(shown.execute_script(MOUTHS), [[0, 0, 1]] * 2, atol=1e-3))


def test_without_landmarks_the_mouth_crop_says_that_it_is_fixed(browser, page, tmp_path):
    from_folders([page.parent / "results"], tmp_path / "page", "Bare", store=tmp_path / "none")
    browser.get(f"{(tmp_path / 'page' / 'index.html').as_uri()}#method=far&clip=S000%2F000&zoom=mouth")
    wait(lambda: len(browser.find_elements("css selector", "#player .uncropped")) == 2)
    assert "enlarged about a fixed point" in browser.find_element("css selector", "#player .uncropped").text
    (left, top, large), _ = wait(lambda: browser.execute_script(MOUTHS))
    assert (left + 0.5 * large, top + 0.72 * large, large) == pytest.approx((0.5, 0.72, 4), abs=0.01)
    browser.execute_script(CHOOSE, "zoom", "1")
    assert not browser.find_element("css selector", "#player .uncropped").is_displayed()
    assert complaints(browser) == []


def test_the_player_says_why_there_are_no_landmarks(browser, page, tmp_path):
    from_folders([page.parent / "results"], tmp_path / "page", "Bare", store=tmp_path / "none")
    assert not list((tmp_path / "page" / "data").glob("landmarks-*"))
    browser.get(f"{(tmp_path / 'page' / 'index.html').as_uri()}#method=far&clip=S000%2F000&landmarks=1")
    told = wait(lambda: browser.find_elements("id", "no-landmarks"))
    assert "its store does not have them" in told[0].text
    assert not browser.find_elements("id", "landmarks")
    assert complaints(browser) == []
