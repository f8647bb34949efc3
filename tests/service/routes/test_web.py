from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "service" / "web"
FILES = sorted(path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*.*"))
TYPES = {"css": ["text/css"], "js": ["text/javascript", "application/javascript"]}
TYPES |= {"png": ["image/png"], "svg": ["image/svg+xml"], "html": ["text/html"]}


def test_the_page_is_at_the_root(client: httpx.Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text == (PAGE / "index.html").read_text()


@pytest.mark.parametrize("file", FILES)
def test_every_file_is_served_as_what_it_is(client: httpx.Client, file: str) -> None:
    answer = client.get(f"/web/{file}")
    assert answer.content == (PAGE / file).read_bytes()
    assert answer.headers["content-type"].split(";")[0] in TYPES[file.rpartition(".")[2]]


def test_a_browser_asks_each_time_and_is_told_that_nothing_changed(client: httpx.Client) -> None:
    first = client.get("/web/js/main.js")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/web/js/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize(
    "path", ["none.js", "", "js", "..%2fapp.py", "%2fetc%2fpasswd", "js/..%2f..%2f..%2fapp.py", "a%00b"]
)
def test_nothing_else_is_served(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/web/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_examples_are_those_of_the_documents() -> None:
    for digit in range(10):
        documented = ROOT / "docs" / "examples" / f"mnist-{digit}-a.png"
        assert (PAGE / "examples" / f"mnist-{digit}.png").read_bytes() == documented.read_bytes()
    boot = ROOT / "docs" / "examples" / "fashion-mnist-ankle-boot.png"
    assert (PAGE / "examples" / "ankle-boot.png").read_bytes() == boot.read_bytes()
