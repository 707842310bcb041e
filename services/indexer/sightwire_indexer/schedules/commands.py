"""Which commands can be repeated."""

from sightwire.contracts.operations import Command, Rollback, Switch, Validate
from sightwire.errors import InvalidInputError


def check_repeatable(command: Command) -> None:
    """Refuses a command that names a generation: each is live at most for a while, and its name never comes again.

    Raises:
        InvalidInputError: it does.
    """
    if isinstance(command, Switch | Validate | Rollback) and command.generation is not None:
        raise InvalidInputError(
            f"command.generation: a schedule outlives generation {command.generation!r}; "
            f"start {command.kind!r} once, as an operation"
        )
