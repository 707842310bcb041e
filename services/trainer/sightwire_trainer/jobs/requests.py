"""Reads requests for runs."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from sightwire.contracts.training import TrainingRequested
from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import TrainingConfiguration, parse_configuration


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A request that describes a run."""

    run: str
    configuration: TrainingConfiguration


def read_request(payload: bytes, *, base: Path) -> RunRequest:
    """The request in a message; relative paths in its configuration are of `base`.

    Raises:
        InvalidInputError: it is no request, or its configuration describes no run; the message says where.
    """
    try:
        request = TrainingRequested.model_validate_json(payload)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'the whole'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        )
        raise InvalidInputError(f"not a request for a training run: {problems}") from None
    configuration = parse_configuration(
        request.configuration, base=base.absolute(), name=f"the configuration of run {request.run!r}"
    )
    return RunRequest(request.run, configuration)
