import math
from dataclasses import replace

import pytest

from benchmarks.scaling import Assumptions, Need, needs, price_per_million_images, replicas

GIVEN = Assumptions(images_per_s=10_000, replica_images_per_s=100, hit_rate=0.5, utilisation=0.5)


def of(given: Assumptions, part: str) -> Need:
    (found,) = (need for need in needs(given) if need.part == part)
    return found


def test_replicas_infer_what_the_cache_does_not_answer_in_the_time_that_they_may_be_busy() -> None:
    assert replicas(GIVEN) == 100


def test_a_cache_that_answers_everything_leaves_one_replica() -> None:
    given = replace(GIVEN, hit_rate=1.0)
    assert replicas(given) == 1
    assert of(given, "replicas, inference") == Need("replicas, inference", 0, math.inf)


def test_requests_of_many_images_take_fewer_balancers_and_save_what_a_request_costs_besides_its_images() -> None:
    given = replace(GIVEN, request_ms=3.0, image_ms=1.0)
    many = replace(given, images_per_request=10)
    assert of(many, "load balancers").full_at == pytest.approx(10 * of(given, "load balancers").full_at)
    # A process may be busy for half of each second.
    assert of(given, "server processes").full_at == pytest.approx(500 / 4)
    assert of(many, "server processes").full_at == pytest.approx(500 / 1.3)


def test_redis_reads_once_for_each_image_and_writes_twice_for_each_that_was_computed() -> None:
    assert of(GIVEN, "Redis, commands").full_at == pytest.approx(100_000 / 2)


def test_redis_holds_what_is_computed_while_it_is_kept() -> None:
    given = replace(GIVEN, entry_bytes=1000, ttl_s=100, redis_gb=1)
    assert of(given, "Redis, memory").full_at == pytest.approx(20_000)


def test_one_of_each_part_is_enough_up_to_the_rate_at_which_it_is_full_and_not_beyond() -> None:
    for need in needs(GIVEN):
        assert of(replace(GIVEN, images_per_s=0.99 * need.full_at), need.part).count == 1
        assert of(replace(GIVEN, images_per_s=1.01 * need.full_at), need.part).count == 2


def test_what_is_full_first_comes_first() -> None:
    rates = [need.full_at for need in needs(GIVEN)]
    assert rates == sorted(rates)


def test_a_million_images_cost_what_their_replicas_cost() -> None:
    # 100 replicas at 3.6 an hour are 0.1 a second, in which 10,000 images come.
    assert price_per_million_images(replace(GIVEN, replica_price_per_h=3.6)) == pytest.approx(10)


@pytest.mark.parametrize("wrong", [{"hit_rate": 1.5}, {"utilisation": 0.0}, {"images_per_request": 0.0}])
def test_what_cannot_be_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected"):
        replace(GIVEN, **wrong)
