"""`eabs bench scaling`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from benchmarks.scaling import Assumptions, needs, price_per_million_images, replicas
from cli.bench.options import Json
from cli.console import print_json, stdout


def scaling(
    images_per_second_per_replica: Annotated[float, typer.Option(help="That one replica's CPUs or GPU can infer.")],
    images_per_second: Annotated[float, typer.Option(help="That are asked about.")] = 1_000_000.0,
    hit_rate: Annotated[float, typer.Option(help="Share of images that the cache answers.")] = 0.5,
    utilisation: Annotated[float, typer.Option(help="Share of its time that what computes may be busy.")] = 0.7,
    images_per_request: Annotated[float, typer.Option()] = 1.0,
    request_ms: Annotated[float, typer.Option(help="Time of a server process for a request, without inference.")] = 1.1,
    image_ms: Annotated[float, typer.Option(help="Its time for each image of a request, likewise.")] = 0.21,
    price: Annotated[float, typer.Option(help="Of a replica for an hour.")] = 4.0,
    ttl_s: Annotated[float, typer.Option(help="How long Redis keeps an answer, if it has room.")] = 3600.0,
    redis_gb: Annotated[float, typer.Option(help="Memory of one Redis.")] = 64.0,
    as_json: Json = False,
) -> None:
    """Calculate, not measure, what a rate of images takes, and which part of it is full first."""
    try:
        given = Assumptions(
            images_per_s=images_per_second,
            replica_images_per_s=images_per_second_per_replica,
            hit_rate=hit_rate,
            utilisation=utilisation,
            images_per_request=images_per_request,
            request_ms=request_ms,
            image_ms=image_ms,
            replica_price_per_h=price,
            ttl_s=ttl_s,
            redis_gb=redis_gb,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    parts, cost = needs(given), price_per_million_images(given)
    if as_json:
        # Infinity is no JSON: what is never full has no such rate.
        found = [{**asdict(part), "full_at": part.full_at if part.count else None} for part in parts]
        print_json({"assumptions": asdict(given), "needs": found, "price_per_million_images": cost})
        return
    rates = f"{given.images_per_s:,.0f} images/s, {given.replica_images_per_s:,.0f} a replica"
    table = Table("part", "how many", "one is full at, images/s", title=f"{rates}, {hit_rate:.0%} from the cache")
    for part in parts:
        table.add_row(part.part, f"{part.count:,}", f"{part.full_at:,.0f}" if part.count else "never")
    stdout.print(table)
    stdout.print(f"{replicas(given):,} replicas at {price:g} an hour: {cost:.3g} for a million images", highlight=False)
