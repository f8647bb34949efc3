"""The whole stack, of real containers: it answers, caches, is watched, recovers and drains.

The tests build on each other, in their order. scripts/compose-test runs them; each prints what it found.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from client import Unauthorised
from tests.docker.load import DIGITS, Load, computed_here, fresh_images
from tests.docker.stack import Stack, frozen, wait_until

pytestmark = pytest.mark.containers

SERVICES = ("eabs", "redis", "prometheus")
TOOLS = ("pip", "gcc", "make", "curl", "wget")


@pytest.fixture(scope="module")
def stack() -> Stack:
    if "STACK_PROJECT" not in os.environ:
        pytest.skip("no stack is up (scripts/compose-test brings one up)")
    return Stack.running()


@pytest.fixture(scope="module")
def first_answers() -> dict[Path, int]:
    """What the digits of docs/examples were classified as, at first."""
    return {}


def test_every_service_becomes_healthy(stack: Stack) -> None:
    took = {service: wait_until(partial(stack.healthy, service), f"{service} is healthy") for service in SERVICES}
    print("; ".join(f"{service} healthy after {seconds:.1f} s" for service, seconds in took.items()))


def test_with_an_unknown_key_nothing_is_classified(stack: Stack) -> None:
    with replace(stack, key="eabs_unknown").client() as client, pytest.raises(Unauthorised):
        client.classify(DIGITS[0])


def test_real_digits_are_classified(stack: Stack, first_answers: dict[Path, int]) -> None:
    with stack.client() as client:
        for file in DIGITS:
            (found,) = client.classify(file).results
            assert not found.cached
            first_answers[file] = found.prediction.index
    right = sum(int(file.name.split("-")[1]) == prediction for file, prediction in first_answers.items())
    assert right >= 19
    print(f"{right} of {len(first_answers)} right")


def test_the_containers_are_confined(stack: Stack) -> None:
    for service in SERVICES:
        status = stack.inside(service, "cat", "/proc/1/status").stdout
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert "0" not in fields["Uid"].split()
        assert {int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {0}
        assert fields["NoNewPrivs"] == "1"
        assert stack.inside(service, "touch", "/etc/x", check=False).returncode
    assert stack.inside("eabs", "touch", "/var/lib/eabs/store/x", check=False).returncode
    for tool in TOOLS:
        assert stack.inside("eabs", "sh", "-c", f"command -v {tool}", check=False).returncode
    assert stack.inside("eabs", "python3", "-c", "import pip", check=False).returncode
    memory = stack.inspect("eabs", ".HostConfig.Memory")
    assert memory == 2 * 1024**3
    print("none runs as root, has a capability or may get one, or writes to its image; no pip, compiler or curl")


def test_the_health_check_turns_when_the_server_stands_still_and_back_when_it_goes_on(stack: Stack) -> None:
    with frozen(stack):
        turned = wait_until(lambda: not stack.healthy("eabs"), "the server is unhealthy")
    back = wait_until(partial(stack.healthy, "eabs"), "the server is healthy again")
    print(f"unhealthy after {turned:.1f} s, healthy again after {back:.1f} s")


def test_prometheus_scrapes_the_server_with_its_own_key(stack: Stack) -> None:
    up = 'up{job="eabs"} == 1'
    counted = f'sum(eabs_requests_total{{job="eabs", route="/classify", status="200"}}) >= {len(DIGITS)}'
    took = wait_until(lambda: bool(stack.query(up)) and bool(stack.query(counted)), "Prometheus has counted them")
    (target,), (requests,) = stack.query(up), stack.query(counted)
    print(f"up is 1 for {target['metric']['instance']}, {requests['value'][1]} requests counted, after {took:.1f} s")


def test_a_server_that_is_killed_under_load_is_started_again_and_answers_nothing_wrong(stack: Stack) -> None:
    with stack.client() as client:
        load = Load(client)
        first_start = stack.inspect("eabs", ".State.StartedAt")
        with load.running(clients=4):
            wait_until(lambda: len(load.answers) >= 20, "20 answers")
            stack.signal_server("SIGKILL")
            killed = time.monotonic()
            before = len(load.answers)
            wait_until(lambda: stack.inspect("eabs", ".State.StartedAt") != first_start, "it is started again")
            started = time.monotonic() - killed
            wait_until(stack.ready, "it is ready again")
            ready = time.monotonic() - killed
            wait_until(lambda: len(load.answers) >= before + 20, "20 more answers")
    assert load.failed > 0
    assert list(load.answers.values()) == computed_here(list(load.answers))
    print(
        f"{len(load.answers)} answers, all as computed without a server; {load.failed} requests failed; "
        f"started again after {started:.1f} s, ready after {ready:.1f} s"
    )


def test_what_was_classified_before_is_found_in_redis_by_the_new_process(
    stack: Stack, first_answers: dict[Path, int]
) -> None:
    with stack.client() as client:
        for file, prediction in first_answers.items():
            (found,) = client.classify(file).results
            assert found.cached
            assert found.prediction.index == prediction
    hits = stack.metric("eabs_cache_tier_hits_total", 'tier="redis"')
    assert hits >= len(first_answers)
    statistics = stack.inside("redis", "redis-cli", "info", "stats").stdout.split()
    (counted,) = (line for line in statistics if line.startswith("keyspace_hits:"))
    print(f"{len(first_answers)} answers from the cache; the server counts {hits:.0f} hits, Redis says {counted}")


def test_a_stop_lets_what_was_accepted_be_answered(stack: Stack) -> None:
    images = fresh_images(16)
    with stack.client() as client, ThreadPoolExecutor(2) as threads:
        answer = threads.submit(client.classify, images, effort="thorough")
        wait_until(lambda: stack.metric("eabs_queue_depth") > 0, "images wait for inference")
        begun = time.monotonic()
        stop = threads.submit(stack.do, "stop", "-t", "75", stack.container("eabs"))
        wait_until(lambda: not stack.ready(), "/readyz says no")
        refused = time.monotonic() - begun
        assert len(answer.result().results) == len(images)
        answered = time.monotonic() - begun
        stop.result()
        ended = time.monotonic() - begun
    assert stack.inspect("eabs", ".State.ExitCode") == 0
    assert refused < answered
    print(
        f"SIGTERM; not ready after {refused:.1f} s, {len(images)} accepted images answered after {answered:.1f} s, "
        f"ended with exit code 0 after {ended:.1f} s"
    )
