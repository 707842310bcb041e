"""What the embedder counts."""

from prometheus_client import Counter, Gauge, Histogram

from sightwire.telemetry.metrics import FAST_BUCKETS
from sightwire_embedder.batching import FinishedBatch

#: The name that dashboards know, whichever engine runs the model.
_MODEL_SECONDS = Histogram(
    "triton_inference_duration_seconds", "Duration of a model call", ["model"], buckets=FAST_BUCKETS
)
_BATCH_SIZE = Histogram(
    "sightwire_model_batch_size",
    "Requests in a model call",
    ["model", "priority"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
_QUEUE_SECONDS = Histogram(
    "sightwire_model_queue_seconds",
    "Wait of a model call's oldest request",
    ["model", "priority"],
    buckets=FAST_BUCKETS,
)
_EMBEDDINGS = Counter("embeddings_generated_total", "Vectors made", ["type"])
_INGEST_EVENTS = Counter(
    "sightwire_ingest_events_total", "Ingest events answered, by outcome: embedded, retried or buried", ["outcome"]
)
_REEMBEDDED_ITEMS = Counter(
    "sightwire_reembedded_items_total",
    "Items for other copies of collections answered, by outcome: embedded, dropped, retried or buried",
    ["outcome"],
)
INGEST_IN_FLIGHT = Gauge("sightwire_ingest_in_flight", "Ingest events that are being worked on")
REEMBED_IN_FLIGHT = Gauge("sightwire_reembed_in_flight", "Items for other copies that are being worked on, or held")
REEMBED_WAITING = Gauge(
    "sightwire_reembed_waiting_messages", "Messages with items for other copies that are not done, of all embedders"
)
MODELS_SERVED = Gauge("sightwire_models_served", "Models that answer")
MODELS_FAILED = Gauge("sightwire_models_failed", "Models that should be served and cannot be")


def observe_batch(batch: FinishedBatch) -> None:
    """Records a model call."""
    priority = batch.priority.name.lower()
    _MODEL_SECONDS.labels(batch.model).observe(batch.call_seconds)
    _BATCH_SIZE.labels(batch.model, priority).observe(batch.size)
    _QUEUE_SECONDS.labels(batch.model, priority).observe(batch.queue_seconds)


def count_vectors(vector_type: str, count: int) -> None:
    """Records vectors of the type image, text or object."""
    _EMBEDDINGS.labels(vector_type).inc(count)


def count_outcome(outcome: str, deliveries: int = 1) -> None:
    """Records what became of ingest events."""
    _INGEST_EVENTS.labels(outcome).inc(deliveries)


def count_reembedded(outcome: str, items: int = 1) -> None:
    """Records what became of items for other copies of collections."""
    _REEMBEDDED_ITEMS.labels(outcome).inc(items)
