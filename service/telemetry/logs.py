"""Log lines that name the request that they are about: one JSON object each, or text with the same fields."""

import json
import logging
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime

from service.middleware.request_id import current_request_id
from service.telemetry.context import current_batch
from service.telemetry.tracing import current_identity

# Only these travel from a record's extras into its line: libraries put there what they like.
REQUEST_FIELDS = (
    "route",
    "method",
    "status",
    "duration_ms",
    "model",
    "images",
    "cached",
    "queue_ms",
    "inference_ms",
    "key",
    "error",
)
# Libraries tell at debug what they were given: a picture's EXIF data, a signed header. Our own rooms do not.
_ROOMS = ("service", "model_store", "eabs", "cli")


class JsonFormatter(logging.Formatter):
    """One JSON object a line; an exception is a field of it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """One line for a reader, its fields as name=value; an exception follows it."""

    def format(self, record: logging.LogRecord) -> str:
        start = f"{_time(record)} {record.levelname:<7} {record.name}: {_one_line(record.getMessage())}"
        line = " ".join([start, *(f"{name}={_as_text(value)}" for name, value in _fields(record).items())])
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def configure_logging(level: str, form: str) -> None:
    """Sends every logger's lines, and Python's warnings, to standard error, as `json` or `text`.

    The level is that of this project's loggers; those of libraries say nothing below `info`.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    chosen = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(chosen, logging.INFO))
    for room in _ROOMS:
        logging.getLogger(room).setLevel(chosen)
    logging.captureWarnings(True)
    # One damaged image can make pillow warn of each of 65,535 tags; it is answered for what cannot be read of it.
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    batch = current_batch()
    fields: dict[str, object] = {"request_id": batch[0] if len(batch) == 1 else current_request_id()}
    if len(batch) > 1:
        fields["request_ids"] = list(batch)
    if identity := current_identity():
        fields["trace_id"], fields["span_id"] = identity
    extras = ((name, getattr(record, name, None)) for name in REQUEST_FIELDS)
    return fields | {name: value for name, value in extras if value is not None}


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    text = str(value)
    return text if text.isprintable() and text and " " not in text else json.dumps(text)


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
