"""How many of everything a rate of images takes, and what is full first: arithmetic on assumptions, nothing measured.

With T images a second, of which the share h is answered by the cache, X images a second inferred by a replica that is
busy all the time, u the share of it that may be, and b images a request:

    replicas            T (1 - h) / (X u)
    server processes    T (request_s / b + image_s) / u one interpreter each
    Redis, commands     T (1 + 2 (1 - h))               one read an image, two writes for each that was computed
    Redis, memory       T (1 - h) * ttl_s * entry_bytes where nothing is evicted
    balancer, requests  T / b
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What the arithmetic begins with; docs/scaling.md says where each default comes from.

    Raises:
        ValueError: a rate, size or price is not positive, or a share is not one.
    """

    images_per_s: float = 1_000_000.0
    """That are asked about."""
    replica_images_per_s: float
    """That one replica's CPUs or GPU can infer."""
    hit_rate: float = 0.5
    """Share of images that the cache answers."""
    utilisation: float = 0.7
    """Share of its time that whatever computes may be busy, so that queues stay short."""
    images_per_request: float = 1.0
    request_ms: float = 1.1
    """Time of a server process for a request, inference and images left out."""
    image_ms: float = 0.21
    """Its time for each image of a request: decoding, identity, answer."""
    replica_price_per_h: float = 4.0
    """Of one replica, in whatever currency."""
    entry_bytes: float = 4496.0
    """Memory that Redis takes for an image and its answer."""
    ttl_s: float = 3600.0
    redis_commands_per_s: float = 100_000.0
    """That one Redis can do."""
    redis_gb: float = 64.0
    """Memory of one Redis."""
    balancer_requests_per_s: float = 50_000.0
    """That one load balancer can pass on."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            share = name in ("hit_rate", "utilisation")
            if not (0 <= value <= 1 if share else 0 < value < math.inf):
                raise ValueError(f"{name}: expected {'a share of 1' if share else 'more than 0'}, got {value:g}")
        if self.utilisation == 0:
            raise ValueError("utilisation: expected more than 0, got 0")


@dataclass(frozen=True)
class Need:
    """A part of the whole: how many the rate takes, and the rate of images at which one of it is full."""

    part: str
    count: int
    full_at: float


def needs(given: Assumptions) -> list[Need]:
    """Every part, the one that is full first at the head."""
    per_image = {
        "replicas, inference": (1 - given.hit_rate) / (given.replica_images_per_s * given.utilisation),
        "server processes": (given.request_ms / given.images_per_request + given.image_ms) / 1e3 / given.utilisation,
        "Redis, commands": (1 + 2 * (1 - given.hit_rate)) / given.redis_commands_per_s,
        "Redis, memory": (1 - given.hit_rate) * given.ttl_s * given.entry_bytes / (given.redis_gb * 1e9),
        "load balancers": 1 / given.images_per_request / given.balancer_requests_per_s,
    }
    found = [
        # A count that is whole but for rounding stays what it is.
        Need(part, math.ceil(round(given.images_per_s * share, 6)), 1 / share if share else math.inf)
        for part, share in per_image.items()
    ]
    return sorted(found, key=lambda need: need.full_at)


def replicas(given: Assumptions) -> int:
    """What infers; at least one."""
    return max(1, next(need.count for need in needs(given) if need.part == "replicas, inference"))


def price_per_million_images(given: Assumptions) -> float:
    """Of the replicas, for a million images that are asked about."""
    return replicas(given) * given.replica_price_per_h / (given.images_per_s * 3600) * 1e6
