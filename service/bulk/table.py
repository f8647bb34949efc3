"""What the output holds of each image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from service.bulk.sources import Item
from service.schemas import ImageClassification


@dataclass(frozen=True)
class Row:
    """An image, and the answer about it, or the error that stands in its place."""

    item: Item
    answer: ImageClassification | None = None
    error: str | None = None


def schema_of(*, labelled: bool, certified: bool) -> Any:
    """The output's columns, a pyarrow schema: `target` where the input tells true classes, `certificate` and `radius`
    where certificates are asked for. Of an image with an error all are null but `id`, `target` and `error`; without a
    prediction, which was rejected, `prediction`, `label` and `posterior` are."""
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            ("image_id", pa.string()),
            ("prediction", pa.int32()),
            ("label", pa.string()),
            ("log_likelihood", pa.list_(pa.float64())),
            ("posterior", pa.float64()),
            ("typicality", pa.float64()),
            ("out_of_distribution", pa.bool_()),
            *([("certificate", pa.string()), ("radius", pa.float64())] if certified else []),
            *([("target", pa.int64())] if labelled else []),
            ("error", pa.string()),
        ]
    )


def table_of(rows: Sequence[Row], schema: Any) -> Any:
    """The rows as a pyarrow table of the schema."""
    records = [_record(row) for row in rows]
    return pa.Table.from_pylist([{name: record.get(name) for name in schema.names} for record in records], schema)


def _record(row: Row) -> dict[str, Any]:
    known = {"id": row.item.id, "target": row.item.target, "error": row.error}
    if row.answer is None:
        return known
    answer = row.answer
    record = known | {
        "image_id": answer.image_id,
        "log_likelihood": [score.log_likelihood for score in answer.classes],
        "typicality": answer.typicality,
        "out_of_distribution": answer.out_of_distribution,
    }
    if answer.prediction is not None:
        record["prediction"] = answer.prediction.index
        record["label"] = answer.prediction.label
        record["posterior"] = answer.classes[answer.prediction.index].posterior
    if answer.certificate is not None:
        record["certificate"] = answer.certificate.kind
        record["radius"] = answer.certificate.radius
    return record
