"""The page in a real browser, with the bundled model."""

import math
import re

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import EXAMPLES
from tests.service.running_server import RunningServer
from tests.service.web.conftest import OpenPage

SEVEN = EXAMPLES / "mnist-7-a.png"


def pixels_of(page: Page, canvases: str) -> np.ndarray:
    """The grey values (N, 28, 28) in [0, 1] of every canvas that a selector finds."""
    values = page.locator(canvases).evaluate_all(
        """(all) => all.map((canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return Array.from({ length: canvas.width * canvas.height }, (_, i) => data[4 * i] / 255);
        })"""
    )
    return np.array(values).reshape(-1, 28, 28)


def draw(page: Page, *strokes: list[tuple[float, float]]) -> None:
    """Draws with the mouse; the pad is [0, 1] x [0, 1]."""
    box = page.locator("#pad").bounding_box()
    assert box
    for stroke in strokes:
        at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*at[0])
        page.mouse.down()
        for point in at[1:]:
            page.mouse.move(*point, steps=5)
        page.mouse.up()


def test_an_example_is_answered_with_bars_and_re_creations_and_a_certificate(
    bundled: RunningServer, open_page: OpenPage
) -> None:
    page = open_page(bundled.url)
    page.get_by_role("button", name="a 7 of MNIST").click()
    expect(page.locator("#prediction")).to_have_text("7")
    expect(page.locator("#verdict")).to_contain_text("In distribution")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(10)
    expect(rows.nth(7)).to_contain_text("> 99.9 %")
    expect(rows.nth(6)).to_contain_text("≥ −")
    assert len(set(page.locator("tbody img").evaluate_all("all => all.map((image) => image.src)"))) == 10
    page.get_by_label("Compare the input with class 9").check(force=True)
    expect(page.locator("#comparison")).to_contain_text("9: best re-creation")

    answer = httpx.post(
        f"{bundled.url}/certify?method=finite-bank&bracket=true",
        content=SEVEN.read_bytes(),
        headers={"Content-Type": "image/png"},
    ).json()
    certificate = answer["results"][0]["certificate"]
    expect(page.locator("#promise")).to_contain_text(f"{certificate['radius']:.2f}")
    expect(page.locator("#attack-tick")).to_have_text(f"attack {certificate['attack_upper_bound']:.3f}")
    zones = page.locator(".zones").bounding_box()
    proven = page.locator(".zone.proven").bounding_box()
    assert zones
    assert proven
    share = certificate["radius"] / float(page.locator("#size").get_attribute("max") or 0)
    assert proven["width"] == pytest.approx(share * zones["width"], abs=1)

    expect(page.locator("#neighbours canvas")).to_have_count(5)
    (original,) = pixels_of(page, "#comparison figure:first-child canvas")
    for changed in pixels_of(page, "#neighbours canvas"):
        # The canvas has 256 grey levels, the change has not.
        assert math.dist(original.ravel(), changed.ravel()) == pytest.approx(certificate["radius"], abs=0.02)
    page.locator("#check").click()
    expect(page.get_by_text("✓ still 7")).to_have_count(5)


def test_a_drawn_one_becomes_a_digit_as_mnist_has_them_and_is_answered(
    bundled: RunningServer, open_page: OpenPage
) -> None:
    page = open_page(bundled.url)
    expect(page.locator("#prediction")).to_have_text("7")
    draw(page, [(0.3, 0.1), (0.25, 0.5), (0.2, 0.7)])
    expect(page.locator("#origin")).to_contain_text("Your drawing")
    expect(page.locator("#prediction")).to_have_text("1")
    (digit,) = pixels_of(page, "#comparison figure:first-child canvas")
    inked = np.flatnonzero(digit.max(axis=1) > 0.1)
    assert inked[-1] - inked[0] + 1 in (20, 21)
    for axis in (0, 1):
        assert (np.arange(28) + 0.5) @ digit.sum(axis=axis) / digit.sum() == pytest.approx(14, abs=0.1)
    page.locator("#clear").click()
    expect(page.locator("#answer")).to_contain_text("No image yet")


def test_everything_can_be_done_by_keyboard(bundled: RunningServer, open_page: OpenPage) -> None:
    page = open_page(bundled.url)
    expect(page.locator("#neighbours canvas")).to_have_count(5)

    def tab_to(condition: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(f"(() => {{ const it = document.activeElement; return {condition}; }})()"):
                return
        pytest.fail(f"the focus never came to where {condition}")

    # The browser is told in time that a chooser is waited for.
    with page.expect_file_chooser() as chooser:
        tab_to("it.id === 'file'")
        page.keyboard.press("Enter")
    chooser.value.set_files(EXAMPLES / "mnist-2-b.png")
    expect(page.locator("#prediction")).to_have_text("2")
    tab_to("it.querySelector?.('img')?.alt === 'a 3 of MNIST'")
    page.keyboard.press("Enter")
    expect(page.locator("#prediction")).to_have_text("3")
    expect(page.locator("#live")).to_have_text(re.compile(r"^3, posterior .* Certified radius \d"))
    expect(page.locator("#size-note")).to_contain_text("the radius itself")
    tab_to("it.name === 'compared'")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#comparison")).to_contain_text("4: best re-creation")
    tab_to("it.id === 'size'")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#size-note")).to_contain_text("no change of this size alters the answer")


def test_what_cannot_be_read_is_said_in_words(bundled: RunningServer, open_page: OpenPage) -> None:
    page = open_page(bundled.url)
    expect(page.locator("#prediction")).to_have_text("7")
    page.locator("#file").set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"not a picture"})
    expect(page.get_by_role("alert")).to_contain_text("“notes.txt” is no picture")
    page.get_by_role("button", name="ankle boot").click()
    expect(page.locator("#verdict")).to_contain_text("Out of distribution")
    expect(page.get_by_role("alert")).to_be_hidden()


LUMINANCES = """() => {
    const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const luminance = (name) => {
        context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name);
        context.fillRect(0, 0, 1, 1);
        const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        const [r, g, b] = Array.from(context.getImageData(0, 0, 1, 1).data, (v) => linear(v / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    return Object.fromEntries(["text", "muted", "accent", "on-accent", "good", "good-ground", "bad", "bad-ground",
        "surface", "ground", "raised", "track"].map((name) => [name, luminance(`--${name}`)]));
}"""
WRITTEN_ON = [("text", "surface"), ("text", "raised"), ("text", "track"), ("muted", "surface"), ("muted", "ground")]
WRITTEN_ON += [("muted", "raised"), ("accent", "surface"), ("accent", "raised"), ("on-accent", "accent")]
WRITTEN_ON += [("good", "good-ground"), ("good", "surface"), ("bad", "bad-ground"), ("bad", "surface")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_light_and_dark_and_fits_a_phone(
    bundled: RunningServer, open_page: OpenPage, scheme: str
) -> None:
    page = open_page(bundled.url, color_scheme=scheme, viewport={"width": 360, "height": 740})
    expect(page.locator("#neighbours canvas")).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    of = page.evaluate(LUMINANCES)
    assert (of["surface"] > 0.5) == (scheme == "light")
    for ink, ground in WRITTEN_ON:
        low, high = sorted((of[ink], of[ground]))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)
