"""Which handlers carry an order out, and of which versions they are."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from sightwire.contracts.pipelines import TaskOrder
from sightwire_orchestrator.tasks.errors import UnknownTaskTypeError
from sightwire_orchestrator.tasks.registry import HandlerRegistry

Parameters = Mapping[str, JsonValue]


def handlers_of(order: TaskOrder) -> tuple[str, ...]:
    """The handler of the order's type, and those that its parameters name."""
    named = _NAMED.get(order.type)
    return (order.type, *(named(order.parameters) if named is not None else ()))


def version_of(handlers: HandlerRegistry, names: tuple[str, ...]) -> str | None:
    """The versions of some handlers together; None: one of them is not installed here."""
    try:
        return _joined((name, handlers.get(name).version) for name in names)
    except UnknownTaskTypeError:
        return None


def version_without_any(names: tuple[str, ...]) -> str:
    """What `version_of` says of handlers that have no version."""
    return _joined((name, "") for name in names)


def _joined(versions: Iterable[tuple[str, str]]) -> str:
    return " ".join(f"{name}={version}" for name, version in versions)


def _of_custom(parameters: Parameters) -> Iterator[str]:
    name = parameters.get("handler")
    if isinstance(name, str):
        yield name


def _of_validation(parameters: Parameters) -> Iterator[str]:
    checks = parameters.get("checks")
    for check in checks if isinstance(checks, list) else ():
        if isinstance(check, dict):
            yield from _of_custom(check)


_NAMED: Final[dict[str, Callable[[Parameters], Iterator[str]]]] = {
    "custom": _of_custom,
    "validation": _of_validation,
}
