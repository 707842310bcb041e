"""Prometheus metrics. Each service declares its own next to the code that counts; this renders them."""

import time
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Gauge, Info, generate_latest

from sightwire import __version__

#: Buckets in seconds for what should take milliseconds.
FAST_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
#: Buckets in seconds for what may take a while.
SLOW_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)

METRICS_CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_BUILD = Info("sightwire_build", "Version that runs")
_BUILD.info({"version": __version__})
_STARTED_AT: Final = time.monotonic()
_UPTIME = Gauge("sightwire_uptime_seconds", "Time since the process began")
_UPTIME.set_function(lambda: time.monotonic() - _STARTED_AT)


def render_metrics() -> bytes:
    """All metrics of this process in Prometheus' text format."""
    return generate_latest(REGISTRY)
