"""Logs on standard error: one JSON object a line, with the trace that the line belongs to."""

import logging
import sys

from opentelemetry import trace
from pythonjsonlogger.json import JsonFormatter

from sightwire.settings import SharedSettings

_TEXT_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_NOISY_LOGGERS = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    # Every refused connection while the bus restarts would be a traceback; the bus logs the change of state itself.
    "nats": logging.CRITICAL,
    # One line for each export while the receiver is down.
    "opentelemetry.exporter.otlp.proto.grpc.exporter": logging.CRITICAL,
}


class _TraceFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            record.trace_id = f"{context.trace_id:032x}"
            record.span_id = f"{context.span_id:016x}"
        return True


def configure_logs(settings: SharedSettings, *, service: str) -> None:
    """Sets up logging for a service's process."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json":
        handler.setFormatter(
            JsonFormatter(
                "{levelname}{name}{message}",
                style="{",
                rename_fields={"levelname": "level", "name": "logger"},
                static_fields={"service": service},
                timestamp=True,
            )
        )
    else:
        handler.setFormatter(logging.Formatter(_TEXT_FORMAT))
    handler.addFilter(_TraceFilter())
    logging.basicConfig(handlers=[handler], force=True)
    set_log_level(settings.log_level)
    for name, level in _NOISY_LOGGERS.items():
        logging.getLogger(name).setLevel(level)


def set_log_level(level: str) -> None:
    """Logs what is at least as grave as `level` from now on."""
    logging.getLogger().setLevel(level)
