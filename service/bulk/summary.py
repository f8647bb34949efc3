"""What a finished output says as a whole."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc  # type: ignore[import-untyped]
from pyarrow import parquet as pq

from service.bulk.parts import manifest_of


@dataclass(frozen=True)
class Summary:
    """Counts of an output's images: all, those that an earlier run had done (`resumed`), those with an error, those
    out of distribution, and those with a prediction (`predicted`). `accuracy` is the share of the images with a true
    class whose prediction is it, None where there are none. `model` is the one that answered."""

    output: str
    images: int
    resumed: int
    errors: int
    predicted: int
    out_of_distribution: int
    accuracy: float | None
    model: dict[str, Any]


def summarise(output: Path, *, resumed: int) -> Summary:
    """Counts, a row group at a time."""
    images = errors = predicted = unusual = right = judged = 0
    with pq.ParquetFile(output) as file:
        labelled = "target" in file.schema_arrow.names
        columns = ["prediction", "error", "out_of_distribution", *(["target"] if labelled else [])]
        for rows in file.iter_batches(columns=columns):
            images += len(rows)
            errors += len(rows) - rows["error"].null_count
            predicted += len(rows) - rows["prediction"].null_count
            unusual += pc.sum(rows["out_of_distribution"]).as_py() or 0
            if labelled:
                judged += len(rows) - rows["target"].null_count
                right += pc.sum(pc.equal(rows["prediction"], rows["target"])).as_py() or 0
    manifest = manifest_of(output)
    return Summary(
        output=str(output),
        images=images,
        resumed=resumed,
        errors=errors,
        predicted=predicted,
        out_of_distribution=unusual,
        accuracy=right / judged if judged else None,
        model=manifest["model"] if manifest else {},
    )
