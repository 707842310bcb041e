"""What a cached result depends on."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sightwire_orchestrator.caching.entries import entry_key, is_cacheable, tags_of
from sightwire_orchestrator.tasks.handler_versions import handlers_of, version_of
from sightwire_orchestrator.tasks.registry import HandlerRegistry, handler

from sightwire import __version__
from sightwire.contracts.pipelines import TaskDefinition, TaskOrder


def order(**changes: Any) -> TaskOrder:
    own = {"run": "r", "pipeline": "p", "task": "t", "type": "custom", "attempt": 1, "parameters": {"a": 1, "b": 2}}
    return TaskOrder.model_validate({**own, "deadline": datetime.now(UTC), **changes})


def key(tags: tuple[str, ...] = (), version: str = "1", **changes: Any) -> str:
    return entry_key(order(**changes), tags, version)


def test_runs_attempts_and_the_order_of_parameters_change_nothing() -> None:
    assert key() == key(run="other", attempt=7, element=3, parameters={"b": 2, "a": 1})


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "other"},
        {"model": "m"},
        {"version": "2"},
        {"tags": ("t",)},
        {"parameters": {"a": 1}},
        {"parameters": {"a": 1.0, "b": 2}},
        {"parameters": {"a": True, "b": 2}},
        {"parameters": {"a": "1", "b": 2}},
        {"parameters": {"a": 2**70, "b": 2}},
    ],
)
def test_all_else_does(changes: dict[str, Any]) -> None:
    assert key(**changes) != key()


def test_tags_name_where_it_came_from() -> None:
    task = TaskDefinition(name="t", type="custom", cache_tags=("mine", "mine", ""))
    assert tags_of(task, order()) == ("mine", "pipeline:p", "task:p.t", "type:custom")
    assert "model:m" in tags_of(task, order(model="m"))


def test_what_a_reviewer_wants_changed_is_carried_out() -> None:
    task = TaskDefinition(name="t", type="custom", cache_enabled=True)
    assert is_cacheable(task, order())
    assert not is_cacheable(task, order(feedback=""))
    assert not is_cacheable(TaskDefinition(name="t", type="custom"), order())


def test_versions_of_all_handlers_that_take_part_count() -> None:
    @handler("mine", version="7")
    def mine(_context: Any, _parameters: Any) -> None: ...

    @handler("plain")
    def plain(_context: Any, _parameters: Any) -> None: ...

    handlers = HandlerRegistry.with_builtin_types()
    handlers.add(mine)
    handlers.add(plain, version="3")
    versions = {
        "custom": order(parameters={"handler": "mine"}),
        "validation": order(type="validation", parameters={"checks": [{"handler": "plain"}, {"kind": "schema"}, 1]}),
        "plain": order(type="plain", parameters={"handler": "mine"}),
    }
    assert {name: version_of(handlers, handlers_of(one)) for name, one in versions.items()} == {
        "custom": f"custom={__version__} mine=7",
        "validation": f"validation={__version__} plain=3",
        "plain": "plain=3",
    }
    assert version_of(handlers, handlers_of(order(parameters={"handler": "elsewhere"}))) is None
