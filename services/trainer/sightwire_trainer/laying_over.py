"""Other values for single keys of a configuration file."""

from typing import Any

from sightwire.errors import InvalidInputError


def lay_over(content: Any, path: str, value: Any) -> None:
    """Sets `value` in what a YAML file holds, at a path such as `optimiser.head_rate`; parts on the way are made.

    Raises:
        InvalidInputError: something on the way has no keys.
    """
    names = path.split(".")
    for place, name in enumerate(names):
        if not isinstance(content, dict):
            raise InvalidInputError(f"{path}: {'.'.join(names[:place]) or 'the file'} has no keys of its own")
        if place == len(names) - 1:
            content[name] = value
            return
        if content.get(name) is None:
            content[name] = {}
        content = content[name]
