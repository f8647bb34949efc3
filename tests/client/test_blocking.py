"""The blocking client and a real server."""

import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from client import Client, Retries
from tests.client.scripted_server import Scripted, scripted_server
from tests.service.pictures import png, random_pixels, random_png
from tests.service.running_server import RunningServer

HEALTHY = Scripted(200, b'{"status": "ok"}')
READY = Scripted(200, b'{"status": "ready", "models": []}')
MODELS = Scripted(200, b'{"models": []}')


def test_a_path_bytes_a_picture_and_arrays_of_one_image_get_the_same_answer(client: Client, tmp_path: Path) -> None:
    pixels = random_pixels(42)
    data = png(pixels)
    path = tmp_path / "image.png"
    path.write_bytes(data)
    picture = Image.open(io.BytesIO(data))
    sources = [data, path, str(path), picture, pixels, pixels[None], pixels / np.float32(255)]
    alone = [client.classify(source).results[0] for source in sources]
    together = client.classify(sources).results
    assert len({result.image_id for result in (*alone, *together)}) == 1
    assert len({result.classes for result in (*alone, *together)}) == 1


def test_more_images_than_fit_into_a_request_come_back_in_their_order(client: Client) -> None:
    images = [random_png(seed % 7) for seed in range(70)]
    ids = [result.image_id for result in client.classify(images, classifier="finite-bank").results]
    assert ids == ids[:7] * 10
    assert len(set(ids)) == 7


def test_options_reach_the_server(client: Client) -> None:
    (result,) = client.classify(random_png(), classifier="finite-bank", explain=True, certificate="finite-bank").results
    assert result.classifier == "finite-bank"
    assert result.certificate is not None
    assert result.certificate.kind == "finite-bank"
    assert all(score.reconstruction for score in result.classes)
    named = client.classify(random_png(), model="mnist", version="production").model
    assert (named.name, named.version) == ("mnist", "1")


def test_an_image_is_certified_by_itself_and_by_its_id(client: Client) -> None:
    image_id = client.classify(random_png(11)).results[0].image_id
    by_image = client.certify(random_png(11), method="finite-bank", classifier="finite-bank")
    by_id = client.certify_image_id(image_id, method="finite-bank", classifier="finite-bank", request_id="mine")
    assert by_id.request_id == "mine"
    assert by_image.results[0].certificate == by_id.results[0].certificate
    assert by_id.results[0].settings == {"kind": "finite-bank", "prototypes": 30}


def test_models_and_probes_are_typed(client: Client) -> None:
    assert [model.name for model in client.models().models] == ["colour", "mnist"]
    (loaded,) = client.model("mnist").details
    assert loaded.input_shape == (1, 28, 28)
    assert client.health().status == "ok"
    assert [model.name for model in client.ready().models] == ["mnist"]


def test_threads_may_share_a_client(client: Client) -> None:
    found: dict[int, str] = {}

    def ask(seed: int) -> None:
        found[seed] = client.classify(random_png(seed), classifier="finite-bank").results[0].image_id

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {seed: client.classify(random_png(seed)).results[0].image_id for seed in range(6)}


def test_a_refusal_is_waited_out_as_long_as_it_says() -> None:
    busy = Scripted(429, headers={"Retry-After": "1"})
    with scripted_server(busy, MODELS) as server, Client(server.url) as client:
        assert client.models().models == ()
    first, second = server.asked_at
    assert second - first >= 1
    assert server.headers[0]["X-Request-Id"] == server.headers[1]["X-Request-Id"]


def test_a_connection_that_breaks_is_tried_again() -> None:
    with scripted_server(Scripted(0), MODELS) as server, Client(server.url, retries=Retries(first_s=0)) as client:
        assert client.models().models == ()
    assert len(server.asked_at) == 2


def test_probes_are_asked_once() -> None:
    with scripted_server(Scripted(503), READY) as server, Client(server.url) as client:
        with pytest.raises(Exception, match="503"):
            client.ready()
        assert client.ready().models == ()


def test_a_key_is_sent_as_a_bearers() -> None:
    with scripted_server(HEALTHY) as server, Client(server.url, api_key="eabs_key") as client:
        client.health()
    assert server.headers[0]["Authorization"] == "Bearer eabs_key"


def test_a_server_below_a_path_is_found(server: RunningServer) -> None:
    with scripted_server(HEALTHY) as below, Client(f"{below.url}/eabs/") as client:
        client.health()
    with Client(f"{server.url}/") as client:
        assert client.health().status == "ok"


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host", "http://", ""])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="expected http://host:port"):
        Client(url)


def test_no_image_is_refused_at_once(client: Client) -> None:
    with pytest.raises(ValueError, match="at least one image"):
        client.classify([])
