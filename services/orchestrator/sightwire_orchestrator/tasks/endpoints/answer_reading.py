"""Makes a completion of what an endpoint sends, and trusts nothing of it: the client library does not check answers."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sightwire_orchestrator.tasks.endpoints.completion import Completion, Usage
from sightwire_orchestrator.tasks.errors import BadAnswerError, problems_in_words

#: An endpoint that ignores the token limit must not fill the memory.
MAX_ANSWER_CHARACTERS: Final = 4_000_000
_STOP: Final = "stop"


class _Sent(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class _Text(_Sent):
    content: str | None = None
    refusal: str | None = None


class _WholeChoice(_Sent):
    message: _Text
    finish_reason: str | None = None


class _Whole(_Sent):
    model: str | None = None
    choices: list[_WholeChoice] = Field(min_length=1)
    usage: Usage | None = None


class _PartChoice(_Sent):
    delta: _Text
    finish_reason: str | None = None


class _Part(_Sent):
    model: str | None = None
    choices: list[_PartChoice] = []
    usage: Usage | None = None


def read_whole(answer: Any, *, endpoint: str) -> Completion:
    """The completion in an answer that came at once.

    Raises:
        BadAnswerError: it is none.
    """
    try:
        whole = _Whole.model_validate(answer)
    except ValidationError as error:
        raise _nonsense(endpoint, error) from None
    choice = whole.choices[0]
    return _completion(
        choice.message.content or "",
        endpoint=endpoint,
        model=whole.model,
        finish_reason=choice.finish_reason or _STOP,
        usage=whole.usage,
        refusal=choice.message.refusal or "",
    )


class PartReader:
    """Puts the parts of a stream together."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._model: str | None = None
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self.characters = 0

    def take(self, sent: Any) -> None:
        """Adds the next part.

        Raises:
            BadAnswerError: it is none, or the text grows too long.
        """
        try:
            part = _Part.model_validate(sent)
        except ValidationError as error:
            raise _nonsense(self._endpoint, error) from None
        self._model = part.model or self._model
        self._usage = part.usage or self._usage
        for choice in part.choices[:1]:
            self._finish_reason = choice.finish_reason or self._finish_reason
            if choice.delta.content:
                self._texts.append(choice.delta.content)
                self.characters += len(choice.delta.content)
            if choice.delta.refusal:
                self._refusals.append(choice.delta.refusal)
        if self.characters > MAX_ANSWER_CHARACTERS:
            raise BadAnswerError(
                f"endpoint {self._endpoint!r} has sent more than {MAX_ANSWER_CHARACTERS} characters and goes on; "
                "its token limit does not work"
            )

    def finished(self) -> Completion:
        """The completion, once the stream has ended.

        Raises:
            BadAnswerError: the stream broke off, or had no text.
        """
        if self._finish_reason is None:
            raise BadAnswerError(
                f"the stream of endpoint {self._endpoint!r} ended after {self.characters} characters without saying "
                "that the answer is whole"
            )
        return _completion(
            "".join(self._texts),
            endpoint=self._endpoint,
            model=self._model,
            finish_reason=self._finish_reason,
            usage=self._usage,
            refusal="".join(self._refusals),
        )


def _completion(
    text: str, *, endpoint: str, model: str | None, finish_reason: str, usage: Usage | None, refusal: str
) -> Completion:
    if not text.strip():
        reason = f"it refused: {refusal[:500]}" if refusal else f"finish reason {finish_reason!r}"
        raise BadAnswerError(f"endpoint {endpoint!r} answered without any text ({reason})")
    return Completion(text=text, model=model or "", finish_reason=finish_reason, usage=usage)


def _nonsense(endpoint: str, error: ValidationError) -> BadAnswerError:
    return BadAnswerError(
        f"endpoint {endpoint!r} answered with something that is no chat completion: {problems_in_words(error)}"
    )
