"""What a cached result depends on, and by what it is deleted; pure."""

import json
from typing import Final

from sightwire.cache.keys import key_of
from sightwire.contracts.pipelines import TaskDefinition, TaskOrder

#: Part of every key; another number leaves all entries behind that were written before.
_FORMAT: Final = 1


def is_cacheable(task: TaskDefinition, order: TaskOrder) -> bool:
    """Whether the order may be answered by the cache, and its result kept.

    One that a reviewer asked for is not: it must become another output than before, whatever it is asked with.
    """
    return task.cache_enabled and order.feedback is None


def tags_of(task: TaskDefinition, order: TaskOrder) -> tuple[str, ...]:
    """By what the result of an order is deleted."""
    own = [f"pipeline:{order.pipeline}", f"task:{order.pipeline}.{order.task}", f"type:{order.type}"]
    model = [] if order.model is None else [f"model:{order.model}"]
    return tuple(sorted({*own, *model, *(tag for tag in task.cache_tags if tag)}))


def entry_key(order: TaskOrder, tags: tuple[str, ...], handler_version: str) -> str:
    """The key of an order's result.

    Tags are part of it: whoever has an entry has all the tags by which it would look for it to be deleted.
    """
    # JSON as the order is sent, so that numbers of any size and kind stay apart.
    parameters = json.dumps(order.parameters, sort_keys=True)
    return key_of(_FORMAT, order.type, order.model, parameters, handler_version, tags)
