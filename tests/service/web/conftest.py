"""A real browser, and pages of it that tell what they asked for and what went wrong in them."""

import shutil
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from service.settings import Settings
from tests.few_candidates import publish_with_few_candidates
from tests.service.running_server import RunningServer

OpenPage = Callable[..., Page]
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; where none is installed the test is skipped. It ends with the module: its event loop would be
    in the way of other tests' own."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of the bundled model, which knows digits and has prototypes."""
    store = publish_with_few_candidates(tmp_path_factory.mktemp("bundled"), with_bank=True)
    with RunningServer(Settings(store=store, cache_dir=None, device="cpu", threads=1)) as running:
        yield running


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """`open_page(url, **options of a browser context)`.

    At the end of the test no page may have asked another host, violated its policy, or logged an error; what a server
    refused, which browsers log as well, is for the test to look at.
    """
    opened: list[tuple[Page, str]] = []
    hosts: set[str] = set()
    wrong: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            wrong.append(message.text)

    def open_page(url: str, **options: object) -> Page:
        page = browser.new_context(**options).new_page()
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.on("console", note)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.add_init_script(
            "window.violations = [];"
            "document.addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective));"
        )
        opened.append((page, urlsplit(url).netloc))
        page.goto(url)
        return page

    yield open_page
    for page, _ in opened:
        wrong += page.evaluate("violations")
        page.context.close()
    assert hosts - {""} <= {host for _, host in opened}
    assert not wrong
