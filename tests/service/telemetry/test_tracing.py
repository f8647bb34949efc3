"""Without a tracer, nothing is told and nothing is remembered."""

from service.telemetry.tracing import (
    batch_span,
    current_identity,
    current_span,
    current_trace,
    is_traced,
    record_span,
    span,
)


def test_work_goes_on_where_nobody_is_told() -> None:
    assert not is_traced()
    with span("decode", images=3) as told, batch_span("batch", [], images=3):
        told.note(images=2)
        told.fail(RuntimeError("nobody hears"))
        assert current_identity() is None
        assert current_trace() is None
    record_span("queue", 0, 1, error=None)
    current_span().note(model="mnist@1")
