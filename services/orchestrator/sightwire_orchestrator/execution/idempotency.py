"""Answers orders whose idempotency key has a result already, and keeps the results of the others."""

from collections.abc import Iterable

from sightwire.contracts.pipelines import TaskOrder, TaskResult, attempt_id
from sightwire_orchestrator.execution.patience import patiently
from sightwire_orchestrator.storage.result_store import IdempotentResults


class KeyedResults:
    """Results by idempotency key, of one term. A key is of one task of a pipeline, whatever its version."""

    def __init__(self, results: IdempotentResults) -> None:
        self._results = results
        #: Keys of attempts that are not answered.
        self._keys: dict[str, tuple[str, str]] = {}

    def expect(self, orders: Iterable[TaskOrder]) -> None:
        """Has the results of these orders kept, those of them that have a key."""
        for order in orders:
            if order.idempotency_key is not None:
                self._keys[attempt_id(order)] = f"{order.pipeline}.{order.task}", order.idempotency_key

    async def known(self, order: TaskOrder) -> TaskResult | None:
        """The result for an order that need not be carried out; None: it must be."""
        key = self._keys.get(attempt_id(order))
        if key is None:
            return None
        found = await patiently(lambda: self._results.get(*key), what="look for the result of a key")
        if found is None:
            return None
        own = {"run": order.run, "task": order.task, "element": order.element, "attempt": order.attempt}
        return found.model_copy(update=own)

    async def kept(self, result: TaskResult) -> TaskResult:
        """The result that counts: another one's output, if the same key was answered meanwhile."""
        key = self._keys.pop(attempt_id(result), None)
        if key is None or result.error is not None:
            return result
        first = await patiently(lambda: self._results.put(*key, result), what="keep the result of a key")
        return result.model_copy(update={"output": first.output})
