"""The page before a server that asks for a key, that limits requests, and that has models of several shapes."""

import base64
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from pydantic import SecretStr

from service.security.keys import create_key
from service.settings import Settings
from tests.service.pictures import random_png
from tests.service.running_server import RunningServer
from tests.service.web.conftest import OpenPage

TOKEN, KEY = create_key("page", ["classify"])


@pytest.fixture(scope="module")
def strict(settings: Settings) -> Iterator[RunningServer]:
    """A server that wants a key, and takes three requests of it in eight seconds."""
    changes = {"models": "mnist", "api_keys": SecretStr(KEY.entry), "rate_limit": "3/8 seconds"}
    with RunningServer(settings.model_copy(update=changes)) as running:
        yield running


def test_a_key_is_asked_for_and_kept_in_the_tab_and_a_limit_is_waited_for(
    strict: RunningServer, open_page: OpenPage
) -> None:
    page = open_page(strict.url)
    expect(page.get_by_role("alert")).to_contain_text("An API key is needed")
    expect(page.locator("#key")).to_be_focused()
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("an unknown one")
    page.locator("#key").fill(TOKEN)
    page.keyboard.press("Enter")
    # Two requests tell about models, one classifies; the certificate's comes too early.
    expect(page.locator("#waiting")).to_contain_text("Trying again in")
    expect(page.locator("#certificate-body")).not_to_contain_text("Certifying")
    expect(page.locator("#promise")).to_be_visible()
    expect(page.locator("#waiting")).to_be_hidden()
    assert page.evaluate("[Object.values(sessionStorage), localStorage.length, document.cookie]") == [[TOKEN], 0, ""]


def test_a_model_of_another_shape_takes_its_own_images(server: RunningServer, open_page: OpenPage) -> None:
    page = open_page(server.url)
    expect(page.locator("#prediction")).to_be_visible()
    page.locator("#model").select_option("colour/1")
    expect(page.locator("#pad-hint")).to_contain_text("32 × 32")
    expect(page.locator("#examples")).to_be_hidden()
    page.evaluate(
        """(bytes) => {
            const files = new DataTransfer();
            files.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], "sign.png"));
            const drop = { dataTransfer: files, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new DragEvent("drop", drop));
        }""",
        base64.b64encode(random_png(1, (48, 64))).decode(),
    )
    expect(page.locator("#origin")).to_contain_text("It was 64 × 48 and is now 32 × 32")
    expect(page.locator("#prediction")).to_contain_text("class")
    expect(page.locator("#certificate-body")).to_contain_text("Choose a method")
    page.locator("#method").select_option("exact-inference")
    expect(page.locator("#promise")).to_be_visible()
