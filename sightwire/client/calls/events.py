"""Server-sent events, read line by line."""

from typing import Generic, TypeVar

from pydantic import BaseModel

Told = TypeVar("Told", bound=BaseModel)


class EventReader(Generic[Told]):
    """Reads the events of one name, one `data` line each, as `model`."""

    def __init__(self, name: str, model: type[Told]) -> None:
        self._name = name
        self._model = model
        self._event = ""

    def feed(self, line: str) -> Told | None:
        """What this line completes, else None: comments keep the connection alive, `end` ends the stream."""
        name, _, value = line.partition(":")
        if name == "event":
            self._event = value.strip()
        elif name == "data" and self._event == self._name:
            return self._model.model_validate_json(value.strip())
        return None
