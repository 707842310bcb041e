"""Streams and key-value buckets of the platform, as data. `sightwire.bus.topology` creates them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

GIBIBYTE: Final = 1024**3
MEBIBYTE: Final = 1024**2
DAY: Final = 24 * 3600.0


class Retention(StrEnum):
    """What removes a message: an acknowledgement (`work_queue`) or the stream's limits."""

    WORK_QUEUE = "workqueue"
    LIMITS = "limits"


@dataclass(frozen=True, slots=True)
class StreamDefinition:
    """A JetStream stream; sizes in bytes, ages in seconds, 0 for no limit."""

    name: str
    subjects: tuple[str, ...]
    retention: Retention
    description: str
    #: The server sets this much disk aside when it creates the stream, and refuses to when there is less.
    max_bytes: int = 0
    max_age: float = 0.0
    max_messages_per_subject: int = 0
    max_message_bytes: int = 8 * MEBIBYTE
    #: Refuse new messages when full instead of dropping the oldest.
    refuse_when_full: bool = False
    #: Window in which a repeated `Nats-Msg-Id` is recognised.
    duplicate_window: float = 120.0
    #: Acknowledge before flushing to disk, where what is lost by it is noticed and made again; docs/decisions/0003.
    flush_later: bool = False


@dataclass(frozen=True, slots=True)
class BucketDefinition:
    """A JetStream key-value bucket; `ttl` in seconds, 0 for ever."""

    name: str
    description: str
    ttl: float = 0.0
    history: int = 1
    #: Acknowledge before flushing to disk, for values that can be derived again; why: docs/decisions/0003.
    flush_later: bool = False


INGEST = StreamDefinition(
    name="INGEST",
    subjects=("ingest.*",),
    retention=Retention.WORK_QUEUE,
    description="Items on their way in; a message leaves when the embedder has stored its result",
    max_bytes=2 * GIBIBYTE,
    refuse_when_full=True,
)
EMBEDDED = StreamDefinition(
    name="EMBEDDED",
    subjects=("embedded.*.*",),
    retention=Retention.LIMITS,
    description="Items with their vectors: the indexer's write-ahead log",
    max_bytes=4 * GIBIBYTE,
    max_age=7 * DAY,
)
REEMBED = StreamDefinition(
    name="REEMBED",
    subjects=("reembed.*",),
    retention=Retention.WORK_QUEUE,
    description="Items that shadows of collections are to have, too; a message leaves when its vectors are stored",
    max_bytes=1 * GIBIBYTE,
    refuse_when_full=True,
)
INDEX = StreamDefinition(
    name="INDEX",
    subjects=("index.>",),
    retention=Retention.LIMITS,
    description="What became of indexes: the last event of each kind and collection",
    max_messages_per_subject=1,
)
DEAD_LETTERS = StreamDefinition(
    name="DLQ",
    subjects=("dlq.>",),
    retention=Retention.LIMITS,
    description="Messages that can never be processed, each with its reason",
    max_bytes=1 * GIBIBYTE,
)

TRAINING = StreamDefinition(
    name="TRAINING",
    subjects=("training.requested", "training.progress.*", "training.completed"),
    retention=Retention.LIMITS,
    description="Models to be trained, how far their runs are, and what became of them",
    max_age=90 * DAY,
    max_messages_per_subject=10_000,
)
MODELS = StreamDefinition(
    name="MODELS",
    subjects=("models.registered", "models.promoted", "models.rolled_back"),
    retention=Retention.LIMITS,
    description="Models that were registered, and which of them got an alias",
    max_messages_per_subject=100_000,
)

TASKS = StreamDefinition(
    name="TASKS",
    subjects=("tasks.*", "tasks.result.*"),
    retention=Retention.WORK_QUEUE,
    description="Attempts of tasks to be carried out, and what became of them; a message leaves when acknowledged",
    # An orchestrator that stood still for a while may send orders that its successor has sent.
    duplicate_window=300.0,
    # Runs are in the orchestrator's database: it orders again what is neither here nor answered.
    flush_later=True,
)
PIPELINES = StreamDefinition(
    name="PIPELINES",
    subjects=("pipelines.ended.*",),
    retention=Retention.LIMITS,
    description="Runs of pipelines that have ended",
    max_age=90 * DAY,
    max_messages_per_subject=100,
)
ALERTS = StreamDefinition(
    name="ALERTS",
    subjects=("alerts.*.*",),
    retention=Retention.LIMITS,
    description="Alert rules that fire, and those that fire no more",
    max_age=90 * DAY,
    max_messages_per_subject=1000,
)

STREAMS: Final = (INGEST, EMBEDDED, REEMBED, INDEX, DEAD_LETTERS, TRAINING, MODELS, TASKS, PIPELINES, ALERTS)

COLLECTIONS = BucketDefinition("collections", "Collection records: specification, uid")
ITEM_STATUS = BucketDefinition("item_status", "How far each item has come", flush_later=True)
LEASES = BucketDefinition("leases", "Who owns what, renewed while its owner lives", ttl=10.0, flush_later=True)
SEARCHERS = BucketDefinition("searchers", "Live searchers and what they have loaded", ttl=10.0, flush_later=True)
EMBEDDERS = BucketDefinition("embedders", "Live embedders and the models that they serve", ttl=10.0, flush_later=True)
EMBEDDING_MODELS = BucketDefinition("embedding_models", "Models that every embedder is to serve, by space")
MIGRATIONS = BucketDefinition("migrations", "Moves of collections to other models, by collection and shadow")
OPERATIONS = BucketDefinition("operations", "Operations on indexes: what was asked, how far it is", ttl=30 * DAY)
SCHEDULES = BucketDefinition("schedules", "Operations that are repeated, and what became of them")

BUCKETS: Final = (
    COLLECTIONS,
    ITEM_STATUS,
    LEASES,
    SEARCHERS,
    EMBEDDERS,
    EMBEDDING_MODELS,
    MIGRATIONS,
    OPERATIONS,
    SCHEDULES,
)

#: Durable consumer of all embedders on INGEST.
EMBEDDER_CONSUMER: Final = "embedder"
#: Durable consumer of all embedders on REEMBED.
REEMBEDDER_CONSUMER: Final = "reembedder"
#: Durable consumer of all trainers on `training.requested`.
TRAINER_CONSUMER: Final = "trainer"
#: Durable consumer of the active orchestrator on results of tasks.
ORCHESTRATOR_CONSUMER: Final = "orchestrator"
#: Durable consumer that tells of ended runs by webhooks.
CALLBACKS_CONSUMER: Final = "callbacks"


def worker_consumer(task_type: str) -> str:
    """Durable consumer of all workers on tasks of a type."""
    return f"worker-{task_type}"
