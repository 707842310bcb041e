"""The numbers that rules are about, as they are now."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import reduce
from operator import add
from typing import Any, assert_never

import httpx

from sightwire.contracts.alerts import AlertRule
from sightwire.errors import ConfigurationError, InvalidInputError, UnavailableError
from sightwire_orchestrator.alerts.metric_names import (
    ExecutionMetric,
    PartMetric,
    PartName,
    PrometheusMetric,
    read_metric_name,
)
from sightwire_orchestrator.numbers.recorder import MINUTE
from sightwire_orchestrator.numbers.samples import Sample, begin_of
from sightwire_orchestrator.numbers.store import SampleStore

#: A number of a part, now; None: it has none.
ReadPart = Callable[[], Awaitable[float | None]]


class AlertValues:
    """Reads numbers.

    Args:
        parts: numbers that are not of runs.
        prometheus_url: of the server that answers queries; None: there is none.
    """

    def __init__(
        self,
        samples: SampleStore,
        parts: Mapping[PartName, ReadPart],
        http: httpx.AsyncClient,
        *,
        prometheus_url: str | None,
    ) -> None:
        self._samples = samples
        self._parts = parts
        self._http = http
        self._prometheus_url = prometheus_url

    async def value(self, rule: AlertRule, now: datetime) -> float | None:
        """The number that a rule is about, of its window; None: there is nothing to count.

        Raises:
            UnavailableError: database or Prometheus do not answer.
            ConfigurationError: the rule asks Prometheus, and none is configured.
            InvalidInputError: Prometheus refuses the query.
        """
        match read_metric_name(rule.metric_name):
            case ExecutionMetric() as metric:
                return await self._execution(metric, timedelta(seconds=rule.window), now)
            case PartMetric(name):
                return await self._parts[name]()
            case PrometheusMetric(query):
                return await self._queried(query)
            case metric:
                assert_never(metric)

    async def _execution(self, metric: ExecutionMetric, window: timedelta, now: datetime) -> float | None:
        # The minute in which the window begins counts whole.
        since = begin_of(now - window, MINUTE)
        samples = await self._samples.read(since, now, seconds=MINUTE, pipeline=metric.pipeline)
        fitting = (sample for interval, sample in samples.items() if interval.task == metric.task)
        return metric.value(reduce(add, fitting, Sample()), window)

    async def _queried(self, query: str) -> float | None:
        if self._prometheus_url is None:
            raise ConfigurationError("no Prometheus is configured: set SIGHTWIRE_ORCHESTRATOR_PROMETHEUS_URL")
        try:
            url = f"{self._prometheus_url.rstrip('/')}/api/v1/query"
            answer = await self._http.get(url, params={"query": query})
            document = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise UnavailableError(f"Prometheus does not answer: {error!r}") from error
        if answer.is_error or document.get("status") != "success":
            raise InvalidInputError(f"Prometheus refuses {query!r}: {document.get('error', answer.status_code)}")
        return _first_value(document["data"])


def _first_value(data: dict[str, Any]) -> float | None:
    result = data["result"]
    if data["resultType"] == "vector":
        result = result[0]["value"] if result else None
    # A pair of a time and a number as text.
    return None if result is None else float(result[1])
