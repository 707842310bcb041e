"""Settings of the gateway: `SIGHTWIRE_GATEWAY_*`, next to the shared `SIGHTWIRE_*`."""

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr

from sightwire.cache.settings import CacheSettings
from sightwire.contracts.names import CollectionName
from sightwire.contracts.reviews import ReviewerId
from sightwire.settings import RELOADABLE, Port

_MEBIBYTE = 1024 * 1024


class GatewaySettings(CacheSettings):
    """Where the gateway answers, whom it asks, and what it accepts."""

    gateway_host: str = Field(default="127.0.0.1", description="Address to bind to; others than loopback need a key")
    gateway_port: Port = Field(default=8200, description="HTTP port; 0 for any free one")
    gateway_admin_key: SecretStr | None = Field(default=None, description="Key that every request then needs")
    gateway_keys: dict[ReviewerId, SecretStr] = Field(
        default={},
        description="Further keys by the names of those who have them, which trails of decisions tell; of reviewers "
        "their ids",
    )
    gateway_public_url: str | None = Field(
        default=None, description="Start of URLs in answers; none: scheme and host of the request"
    )
    gateway_embedder_address: str = Field(
        default="127.0.0.1:8201", description="gRPC address of the embedder; several separated by commas"
    )
    gateway_searcher_address: str = Field(
        default="127.0.0.1:8203", description="gRPC address of the searcher; several separated by commas"
    )
    gateway_default_collection: CollectionName = Field(
        default="default", description="Collection of the routes that name none; created when first used"
    )

    gateway_max_picture_bytes: PositiveInt = Field(default=32 * _MEBIBYTE, description="Largest picture file")
    gateway_max_pixels: PositiveInt = Field(default=90_000_000, description="Most pixels of a picture")
    gateway_max_json_bytes: PositiveInt = Field(
        default=16 * _MEBIBYTE, description="Largest JSON body", json_schema_extra=RELOADABLE
    )
    gateway_max_batch_items: PositiveInt = Field(
        default=1000, description="Most items of one JSON batch", json_schema_extra=RELOADABLE
    )
    gateway_max_stream_items: PositiveInt = Field(
        default=100_000, description="Most items of one NDJSON batch", json_schema_extra=RELOADABLE
    )
    gateway_max_query_characters: PositiveInt = Field(
        default=10_000, description="Longest query text", json_schema_extra=RELOADABLE
    )
    gateway_max_predict_queries: PositiveInt = Field(
        default=100, description="Most queries of one POST /predict", json_schema_extra=RELOADABLE
    )
    gateway_max_predict_descriptions: PositiveInt = Field(
        default=1000, description="Most descriptions of one POST /predict", json_schema_extra=RELOADABLE
    )
    gateway_max_uploads: PositiveInt = Field(default=32, description="Uploads read at once; more wait, then get 429")
    gateway_upload_seconds: PositiveFloat = Field(
        default=120.0, description="Longest time for a request's body", json_schema_extra=RELOADABLE
    )
    gateway_stream_seconds: PositiveFloat = Field(
        default=3600.0, description="Longest time for an NDJSON batch", json_schema_extra=RELOADABLE
    )
    gateway_picture_threads: PositiveInt = Field(default=2, description="Threads that decode pictures")

    gateway_fetch_seconds: PositiveFloat = Field(default=20.0, description="Longest time for a picture given by URL")
    gateway_embed_seconds: PositiveFloat = Field(
        default=20.0, description="Deadline of a call to the embedder", json_schema_extra=RELOADABLE
    )
    gateway_search_seconds: PositiveFloat = Field(
        default=10.0, description="Deadline of a call to the searcher", json_schema_extra=RELOADABLE
    )
    gateway_canary_seconds: PositiveFloat = Field(
        default=2.0,
        description="How long a canary's index has for an answer; after that the other one's is given",
        json_schema_extra=RELOADABLE,
    )
    gateway_canary_queries: PositiveInt = Field(
        default=32,
        description="Queries of canaries that are answered twice at once; further ones take no part",
        json_schema_extra=RELOADABLE,
    )
    gateway_max_wait_seconds: PositiveFloat = Field(
        default=300.0, description="Longest wait for an item's status", json_schema_extra=RELOADABLE
    )
    gateway_ingest_image_seconds: PositiveFloat = Field(
        default=60.0,
        description="How long POST /ingest/image waits until the picture is searchable",
        json_schema_extra=RELOADABLE,
    )
    gateway_backup_seconds: PositiveFloat = Field(
        default=3600.0,
        description="How long reading a backup back, or removing old ones, may take",
        json_schema_extra=RELOADABLE,
    )
    gateway_embedding_cache_bytes: NonNegativeInt = Field(
        default=32 * _MEBIBYTE, description="Memory for vectors of query texts; 0 switches this cache off"
    )
    gateway_embedding_cache_seconds: PositiveFloat = Field(default=86_400.0, description="How long they are kept")
    gateway_query_cache_bytes: NonNegativeInt = Field(
        default=64 * _MEBIBYTE, description="Memory for answers of searches; 0 switches this cache off"
    )
    gateway_query_cache_seconds: PositiveFloat = Field(
        default=600.0, description="How long they are kept at most; a new state of the index ends them before"
    )
