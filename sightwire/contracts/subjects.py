"""Subjects of the bus. Nothing else in the code base spells a subject."""

from sightwire.contracts.names import key_token

INGEST_ALL = "ingest.*"
EMBEDDED_ALL = "embedded.*.*"
REEMBED_ALL = "reembed.*"
DEAD_LETTERS_ALL = "dlq.>"
#: Requests that any one indexer answers; see `sightwire.contracts.control`.
CONTROL_INDEXERS = "control.indexers"
TRAINING_REQUESTED = "training.requested"
TRAINING_COMPLETED = "training.completed"
#: Requests that the active orchestrator answers; see `sightwire.contracts.pipeline_control`.
CONTROL_PIPELINES = "control.pipelines"
CONTROL_MODELS = "control.models"
CONTROL_REVIEWS = "control.reviews"
CONTROL_CACHE = "control.cache"
CONTROL_ALERTS = "control.alerts"
CONTROL_MIGRATIONS = "control.migrations"
#: Where every worker hears which attempts nobody waits for any longer.
CONTROL_WORKERS = "control.workers"
TASKS_ALL = "tasks.*"
TASK_RESULTS_ALL = "tasks.result.*"
TASK_PROGRESS_ALL = "tasks.progress.*"
PIPELINES_ENDED_ALL = "pipelines.ended.*"
ALERTS_ALL = "alerts.*.*"
MODELS_REGISTERED = "models.registered"
MODELS_PROMOTED = "models.promoted"
MODELS_ROLLED_BACK = "models.rolled_back"


def ingest(collection: str) -> str:
    """Where anyone publishes an item of `collection`."""
    return f"ingest.{collection}"


def embedded(collection: str, space: str) -> str:
    """Where the embedder publishes items of `collection` with vectors of `space`."""
    return f"embedded.{collection}.{space}"


def embedded_of_collection(collection: str) -> str:
    """Filter for all spaces of one collection."""
    return f"embedded.{collection}.*"


def reembed(shadow: str) -> str:
    """Where items go that a shadow is to have, too; see `sightwire.v1.ReembedBatch`."""
    return f"reembed.{shadow}"


def collection_of_reembed(subject: str) -> str:
    """The collection in a subject of `reembed`."""
    return subject.split(".")[1]


def canary(collection: str) -> str:
    """Where gateways tell how queries of a canary were answered; kept nowhere."""
    return f"canary.{collection}"


def canary_click(collection: str) -> str:
    """Where gateways tell that a result of a canary's query was chosen; kept nowhere."""
    return f"canary.{collection}.click"


def index_ready(collection: str) -> str:
    """Where a committed manifest is announced."""
    return f"index.ready.{collection}"


def index_failed(collection: str) -> str:
    """Where the indexer says that it stopped a collection, and why."""
    return f"index.failed.{collection}"


def index_build(collection: str) -> str:
    """Where each change of an operation on an index is told."""
    return f"index.build.{collection}"


def index_schedule(collection: str) -> str:
    """Where a schedule is told of that was paused after failures."""
    return f"index.schedule.{collection}"


def control_index(collection: str) -> str:
    """Where the indexer that owns a collection takes requests; see `sightwire.contracts.control`."""
    return f"control.index.{collection}"


def training_progress(run: str) -> str:
    """Where a training run tells how far it is."""
    return f"training.progress.{run}"


def control_training(run: str) -> str:
    """Where the trainer that carries a run out takes requests, such as to cancel it."""
    return f"control.training.{run}"


def tasks(task_type: str) -> str:
    """Where the orchestrator orders tasks of a type."""
    return f"tasks.{task_type}"


def task_result(run: str) -> str:
    """Where workers say what became of tasks of a run."""
    return f"tasks.result.{run}"


def task_progress(run: str) -> str:
    """Where workers tell how far tasks of a run are; kept nowhere."""
    return f"tasks.progress.{run}"


def pipeline_ended(run: str) -> str:
    """Where the end of a run of a pipeline is told."""
    return f"pipelines.ended.{run}"


def migration_key(collection: str, shadow: str) -> str:
    """Key of a collection's migration in the `migrations` bucket."""
    return f"{collection}.{shadow}"


def alert(kind: str, rule: str) -> str:
    """Where it is told that an alert rule fires (`fired`), or fires no more (`resolved`)."""
    return f"alerts.{kind}.{rule}"


def operation_key(collection: str, operation: str) -> str:
    """Key of an operation in the `operations` bucket."""
    return f"{collection}.{operation}"


def schedule_key(collection: str, schedule: str) -> str:
    """Key of a schedule in the `schedules` bucket."""
    return f"{collection}.{schedule}"


def dead_letter(original_subject: str) -> str:
    """Where a message of `original_subject` goes that can never be processed."""
    return f"dlq.{original_subject}"


def item_status_key(collection: str, item_id: str) -> str:
    """Key of an item in the `item_status` bucket."""
    return f"{collection}.{key_token(item_id)}"


def key_value(bucket: str, key: str) -> str:
    """Subject on which a put to `key` of a key-value bucket travels; a plain subscription to it sees each put."""
    return f"$KV.{bucket}.{key}"


def is_dead_letter_of(subject: str, collection: str) -> bool:
    """Whether a dead letter's subject is that of a message of a collection: their collection is the second token."""
    tokens = subject.split(".")
    return len(tokens) > 2 and tokens[0] == "dlq" and tokens[2] == collection
