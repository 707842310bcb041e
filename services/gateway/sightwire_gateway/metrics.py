"""Metrics of the gateway. The names without `sightwire_` are those that existing dashboards use."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from sightwire.telemetry.metrics import FAST_BUCKETS, SLOW_BUCKETS

_REQUEST_BUCKETS: Final = (*FAST_BUCKETS, 5.0, 10.0, 30.0, 60.0)

HTTP_REQUESTS: Final = Counter(
    "sightwire_gateway_http_requests_total", "Requests by route", ["method", "route", "status"]
)
HTTP_SECONDS: Final = Histogram(
    "sightwire_gateway_http_request_duration_seconds",
    "Time from the first byte to the last",
    ["method", "route"],
    buckets=_REQUEST_BUCKETS,
)
HTTP_IN_FLIGHT: Final = Gauge("sightwire_gateway_http_requests_in_flight", "Requests being answered")
ITEMS_ACCEPTED: Final = Counter("sightwire_gateway_items_accepted_total", "Items put on the bus", ["operation"])
ITEMS_REFUSED: Final = Counter("sightwire_gateway_items_refused_total", "Items of batches refused", ["code"])
WAITERS: Final = Gauge("sightwire_gateway_status_followers", "Requests that follow item statuses")
FETCHES: Final = Counter("sightwire_gateway_fetches_total", "Pictures fetched from URLs", ["outcome"])
CANARY_QUERIES: Final = Counter(
    "sightwire_gateway_canary_queries_total",
    "Queries of a canary's share: answered by the shadow, by the index because the shadow failed, or left out",
    ["collection", "outcome"],
)

VISUAL_REQUESTS: Final = Counter(
    "visual_search_requests_total", "Requests to the visual and semantic search routes", ["endpoint", "status"]
)
VISUAL_SECONDS: Final = Histogram(
    "visual_search_request_duration_seconds",
    "Duration of requests to the visual and semantic search routes",
    ["endpoint"],
    buckets=_REQUEST_BUCKETS,
)
EMBEDDINGS: Final = Counter("embeddings_generated_total", "Embeddings generated for queries", ["type"])
for _kind in ("image", "text", "object"):
    EMBEDDINGS.labels(_kind)
INFERENCE_SECONDS: Final = Histogram(
    "triton_inference_duration_seconds",
    "Time in the model, whichever runtime it is in",
    ["model"],
    buckets=SLOW_BUCKETS,
)
INDEX_SECONDS: Final = Histogram(
    "opensearch_query_duration_seconds", "Time in the index, whichever engine it is", buckets=FAST_BUCKETS
)
CACHE_SIZE: Final = Gauge("embedding_cache_size", "Query embeddings in the cache")
CACHE_HIT_RATE: Final = Gauge("embedding_cache_hit_rate", "Share of look-ups that the cache answered since the start")
