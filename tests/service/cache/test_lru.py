from service.cache.lru import LruCache


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def cache(max_bytes: int = 10_000, clock: Clock | None = None) -> LruCache[str]:
    return LruCache(max_bytes=max_bytes, ttl_s=10, clock=clock or Clock())


def test_what_was_put_is_got() -> None:
    held = cache()
    held.put("key", "value", 5)
    assert held.get("key") == "value"
    assert held.get("other") is None


def test_the_least_recently_used_makes_room() -> None:
    held = cache()
    for key in "abc":
        held.put(key, key, 2000)
    held.get("a")
    held.put("d", "d", 2000)
    assert [key for key in "abcd" if held.get(key)] == ["a", "c", "d"]


def test_it_never_holds_more_bytes_than_allowed() -> None:
    held = cache()
    for index in range(100):
        held.put(index, "x", index * 50)
        assert held.nbytes <= 10_000


def test_a_value_put_twice_counts_once() -> None:
    held = cache()
    held.put("key", "old", 3000)
    before = held.nbytes
    held.put("key", "new", 3000)
    assert held.nbytes == before
    assert held.get("key") == "new"


def test_what_cannot_fit_is_not_held_and_evicts_nothing() -> None:
    held = cache()
    held.put("small", "value", 5)
    held.put("large", "value", 20_000)
    assert held.get("large") is None
    assert held.get("small") == "value"


def test_what_is_too_old_is_forgotten_with_its_bytes() -> None:
    clock = Clock()
    held = cache(clock=clock)
    held.put("key", "value", 5)
    clock.now = 10
    assert held.get("key") is None
    assert (len(held), held.nbytes) == (0, 0)


def test_no_memory_holds_nothing() -> None:
    held = cache(max_bytes=0)
    held.put("key", "value", 0)
    assert held.get("key") is None
