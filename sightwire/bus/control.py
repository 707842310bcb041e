"""Asks services by request and reply; `sightwire.contracts.control` says what indexers can be asked."""

from typing import Any, Final

from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError, NoRespondersError
from pydantic import BaseModel, ValidationError

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.control import ControlReply, IndexersRequest, IndexRequest
from sightwire.errors import DeadlineError, SightwireError, TooLargeError, UnavailableError, error_with_code
from sightwire.telemetry.tracing import current_trace_headers

#: How long an indexer has for an answer, unless the caller says otherwise.
ANSWER_SECONDS: Final = 30.0


class ControlClient:
    """Asks the indexers on one bus. Answers are JSON values; the contract names the model of each."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def ask_owner(
        self,
        collection: str,
        request: IndexRequest,
        *,
        timeout: float = ANSWER_SECONDS,  # noqa: ASYNC109  what NATS calls it
    ) -> Any:
        """The answer of the indexer that owns a collection.

        Args:
            timeout: seconds.

        Raises:
            UnavailableError: no indexer owns it now, or the bus is away.
            DeadlineError: no answer came in time; the request may have been carried out.
            SightwireError: whatever the indexer answered, as the error that it was there.
        """
        try:
            return await ask(self._bus, subjects.control_index(collection), request, timeout=timeout)
        except NoRespondersError:
            raise UnavailableError(
                f"no indexer owns collection {collection!r} now; one takes it over within seconds if any runs, and the "
                "readiness of indexers (/readyz) says why if none does; then try again"
            ) from None

    async def ask_any(
        self,
        request: IndexersRequest,
        *,
        timeout: float = ANSWER_SECONDS,  # noqa: ASYNC109  what NATS calls it
    ) -> Any:
        """The answer of any one indexer; raises as `ask_owner` does."""
        try:
            return await ask(self._bus, subjects.CONTROL_INDEXERS, request, timeout=timeout)
        except NoRespondersError:
            raise UnavailableError("no indexer is running; start one and try again") from None


async def ask(
    bus: Bus,
    subject: str,
    request: BaseModel,
    *,
    timeout: float = ANSWER_SECONDS,  # noqa: ASYNC109  what NATS calls it
) -> Any:
    """The answer of whoever answers on `subject`, as a JSON value.

    Raises:
        NoRespondersError: nobody does now.
        UnavailableError: the bus is away.
        TooLargeError: the request does not fit into a message.
        DeadlineError: no answer came in time; the request may have been carried out.
        SightwireError: whatever was answered, as the error that it was there.
    """
    try:
        message = await bus.client.request(
            subject, request.model_dump_json().encode(), timeout=timeout, headers=current_trace_headers() or None
        )
    except NoRespondersError:
        raise
    except TimeoutError:
        raise DeadlineError(
            f"no answer to {type(request).__name__} on {subject!r} within {timeout:g} s; it may have been carried out"
        ) from None
    except MaxPayloadError:
        raise TooLargeError(
            f"a request on {subject!r} may have {bus.client.max_payload} bytes, {type(request).__name__} has more"
        ) from None
    except NatsError as error:
        raise UnavailableError(f"cannot ask on {subject!r}: {error!r}; try again") from error
    return _answer(message.data, subject)


def _answer(data: bytes, subject: str) -> Any:
    try:
        reply = ControlReply.model_validate_json(data)
    except ValidationError as error:
        raise SightwireError(f"the answer on {subject!r} is not a ControlReply: {error}") from None
    if reply.error_code is not None:
        detail = reply.error or reply.error_code
        known = (error_with_code(code, detail) for code in (reply.error_code, *reply.error_kinds))
        raise next((error for error in known if error is not None), SightwireError(detail))
    return reply.answer
