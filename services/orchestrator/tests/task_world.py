"""What tests of handlers need: contexts with real clients, and answers of chat endpoints."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue
from sightwire_orchestrator.tasks.carrying_out import carry_out
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.registry import HandlerRegistry
from sightwire_orchestrator.tasks.resources import TaskResources
from sightwire_orchestrator.tasks.settings import TaskSettings

from sightwire.contracts.operations import Progress
from sightwire.contracts.pipelines import TaskOrder


def task_settings(**changes: Any) -> TaskSettings:
    """Settings of these values, whatever the environment says."""
    return TaskSettings.model_validate({f"orchestrator_{name}": value for name, value in changes.items()})


@dataclass
class TaskWorld:
    """Carries tasks out, and hears of their progress."""

    resources: TaskResources
    handlers: HandlerRegistry
    progress: list[Progress] = field(default_factory=list)

    def context(self, task_type: str, *, timeout: float = 20.0, **changes: Any) -> TaskContext:
        order = TaskOrder.model_validate(
            {
                "run": uuid.uuid4().hex,
                "pipeline": "test",
                "task": "step",
                "type": task_type,
                "attempt": 1,
                "parameters": {},
                "deadline": datetime.now(UTC) + timedelta(seconds=timeout),
                **changes,
            }
        )
        return TaskContext.of(order, self.resources, self.handlers, on_progress=self.progress.append)

    async def run(self, task_type: str, parameters: Mapping[str, Any], **changes: Any) -> Any:
        return await carry_out(self.context(task_type, **changes), parameters)


def completion(text: str, *, finish_reason: str = "stop", **members: JsonValue) -> dict[str, JsonValue]:
    """A chat completion as endpoints answer it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "small-1",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason},
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        **members,
    }


def part(text: str | None = None, *, finish_reason: str | None = None) -> dict[str, JsonValue]:
    """A part of a streamed one."""
    delta: dict[str, JsonValue] = {} if text is None else {"content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "small-1",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }


def parts_of(text: str, *, finish_reason: str = "stop") -> list[dict[str, Any]]:
    """A text in parts of a few characters, its end, and the usage."""
    pieces = [part(text[start : start + 4]) for start in range(0, len(text), 4)]
    usage: dict[str, Any] = {**part(), "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    return [*pieces, part(finish_reason=finish_reason), usage]
