"""The platform's own types of tasks, a module each."""

from typing import Final

from sightwire_orchestrator.tasks.builtin import (
    build_index,
    classification,
    custom,
    embed,
    evaluate,
    extraction,
    ingest,
    notify,
    rollback,
    text_generation,
    train,
    validate,
    validation,
)

MODULES: Final = (
    build_index,
    classification,
    custom,
    embed,
    evaluate,
    extraction,
    ingest,
    notify,
    rollback,
    text_generation,
    train,
    validate,
    validation,
)
