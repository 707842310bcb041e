"""Asks the active orchestrator."""

from typing import Final, TypeVar

from nats.errors import NoRespondersError
from pydantic import BaseModel

from sightwire.bus.connection import Bus
from sightwire.bus.control import ANSWER_SECONDS, ask
from sightwire.contracts import subjects
from sightwire.contracts.alerts import AlertsRequest
from sightwire.contracts.cache_control import CacheRequest
from sightwire.contracts.migration_control import MigrationsRequest
from sightwire.contracts.model_control import ModelsRequest
from sightwire.contracts.review_control import ReviewsRequest
from sightwire.errors import UnavailableError

Answer = TypeVar("Answer", bound=BaseModel)

NOBODY_ANSWERS: Final = (
    "no orchestrator is active now; one takes over within seconds if any runs (python -m sightwire_orchestrator), "
    "then try again"
)


async def ask_orchestrator(
    bus: Bus,
    subject: str,
    request: BaseModel,
    answer: type[Answer],
    *,
    timeout: float = ANSWER_SECONDS,  # noqa: ASYNC109  what NATS calls it
) -> Answer:
    """What the active orchestrator answers.

    Raises:
        UnavailableError: no orchestrator is active, or the bus is away.
        DeadlineError: no answer came in time; the request may have been carried out.
        SightwireError: whatever the orchestrator answered: NotFoundError, ConflictError, InvalidInputError.
    """
    try:
        said = await ask(bus, subject, request, timeout=timeout)
    except NoRespondersError:
        raise UnavailableError(NOBODY_ANSWERS) from None
    return answer.model_validate(said)


class OrchestratorClient:
    """Asks about models, migrations, reviews, cached results and alerts; contracts of requests name the models of
    their answers.

    All raise as `ask_orchestrator` does.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def ask_models(
        self,
        request: ModelsRequest,
        answer: type[Answer],
        *,
        timeout: float = ANSWER_SECONDS,  # noqa: ASYNC109  what NATS calls it
    ) -> Answer:
        """What it answers to a request of `sightwire.contracts.model_control`."""
        return await ask_orchestrator(self._bus, subjects.CONTROL_MODELS, request, answer, timeout=timeout)

    async def ask_migrations(self, request: MigrationsRequest, answer: type[Answer]) -> Answer:
        """What it answers to a request of `sightwire.contracts.migration_control`."""
        return await ask_orchestrator(self._bus, subjects.CONTROL_MIGRATIONS, request, answer)

    async def ask_reviews(self, request: ReviewsRequest, answer: type[Answer]) -> Answer:
        """What it answers to a request of `sightwire.contracts.review_control`."""
        return await ask_orchestrator(self._bus, subjects.CONTROL_REVIEWS, request, answer)

    async def ask_alerts(self, request: AlertsRequest, answer: type[Answer]) -> Answer:
        """What it answers to a request of `sightwire.contracts.alerts`."""
        return await ask_orchestrator(self._bus, subjects.CONTROL_ALERTS, request, answer)

    async def ask_cache(self, request: CacheRequest, answer: type[Answer]) -> Answer:
        """What it answers to a request of `sightwire.contracts.cache_control`."""
        return await ask_orchestrator(self._bus, subjects.CONTROL_CACHE, request, answer)
