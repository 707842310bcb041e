"""Creates the streams and key-value buckets that `sightwire.contracts.streams` defines, or adapts them."""

import json
from typing import Any

from nats.aio.client import Client

from sightwire.contracts.streams import BUCKETS, STREAMS, BucketDefinition, StreamDefinition
from sightwire.errors import ConfigurationError, UnavailableError

_NANOSECONDS = 1_000_000_000
_NAME_IN_USE = 10058
#: Not enough servers, no leader yet, or one that has just come.
_TOO_FEW_SERVERS = frozenset({10004, 10005, 10008, 10009, 10118})
_REQUEST_SECONDS = 5.0
_PERSIST_MODE = "persist_mode"


async def ensure_topology(client: Client, *, replicas: int) -> None:
    """Creates every stream and bucket that is missing, and updates those whose definition changed.

    Any service may be the first to start, so each of them calls this; it only asks what there is when all is there.
    Replicas are added and never taken away, or whoever forgot to say how many there are would make the bus less safe.

    Raises:
        ConfigurationError: the server cannot do what is asked of it.
        UnavailableError: it does not answer now, or has too few servers for the replicas; trying again may help.
    """
    present = await _configurations(client)

    def replicas_of(name: str) -> int:
        kept: int = present.get(name, {}).get("num_replicas", 1)
        return max(replicas, kept)

    wanted = [stream_configuration(stream, replicas_of(stream.name)) for stream in STREAMS]
    wanted += [bucket_configuration(bucket, replicas_of(f"KV_{bucket.name}")) for bucket in BUCKETS]
    for configuration in wanted:
        if not _agrees(present.get(configuration["name"], {}), configuration):
            await _ensure(client, configuration)


def stream_configuration(stream: StreamDefinition, replicas: int) -> dict[str, Any]:
    """JetStream's configuration of a stream."""
    configuration: dict[str, Any] = {
        "name": stream.name,
        "description": stream.description,
        "subjects": list(stream.subjects),
        "retention": stream.retention.value,
        "storage": "file",
        "num_replicas": replicas,
        "discard": "new" if stream.refuse_when_full else "old",
        "max_bytes": stream.max_bytes or -1,
        "max_age": int(stream.max_age * _NANOSECONDS),
        "max_msgs": -1,
        "max_msgs_per_subject": stream.max_messages_per_subject or -1,
        "max_msg_size": stream.max_message_bytes,
        "duplicate_window": int(stream.duplicate_window * _NANOSECONDS),
        "allow_direct": True,
    }
    if stream.flush_later and replicas == 1:
        configuration[_PERSIST_MODE] = "async"
    return configuration


def bucket_configuration(bucket: BucketDefinition, replicas: int) -> dict[str, Any]:
    """JetStream's configuration of the stream behind a key-value bucket (ADR-8)."""
    configuration: dict[str, Any] = {
        "name": f"KV_{bucket.name}",
        "description": bucket.description,
        "subjects": [f"$KV.{bucket.name}.>"],
        "retention": "limits",
        "storage": "file",
        "num_replicas": replicas,
        "discard": "new",
        "max_age": int(bucket.ttl * _NANOSECONDS),
        "max_msgs": -1,
        "max_bytes": -1,
        "max_msgs_per_subject": bucket.history,
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
        "allow_msg_ttl": True,
    }
    if bucket.ttl:
        configuration["duplicate_window"] = int(min(bucket.ttl, 120.0) * _NANOSECONDS)
        # Watchers are told when a key expires.
        configuration["subject_delete_marker_ttl"] = int(bucket.ttl * _NANOSECONDS)
    if bucket.flush_later and replicas == 1:
        configuration[_PERSIST_MODE] = "async"
    return configuration


async def _configurations(client: Client) -> dict[str, dict[str, Any]]:
    """Those of the streams that the server, or a leader in a cluster, tells of now; by name."""
    found: dict[str, dict[str, Any]] = {}
    while True:
        answer = await _request(client, "$JS.API.STREAM.LIST", {"offset": len(found)})
        page = {stream["config"]["name"]: stream["config"] for stream in answer.get("streams") or ()}
        # While some have no leader, a cluster counts more than it tells of.
        is_last = page.keys() <= found.keys()
        found |= page
        if is_last or len(found) >= answer.get("total", 0):
            return found


def _agrees(present: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(present.get(key) == value for key, value in wanted.items())


async def _ensure(client: Client, configuration: dict[str, Any]) -> None:
    name = configuration["name"]
    answer = await _request(client, f"$JS.API.STREAM.CREATE.{name}", configuration)
    if _error_code(answer) == _NAME_IN_USE:
        answer = await _update(client, configuration)
    if _error_code(answer) in _TOO_FEW_SERVERS:
        raise UnavailableError(
            f"stream {name!r} is to have {configuration['num_replicas']} replicas, but too few servers of the cluster "
            f"are there: {answer['error'].get('description')}"
        )
    if "error" in answer:
        raise ConfigurationError(
            f"stream {name!r} cannot have the configuration it needs: {answer['error'].get('description')}; "
            "nats-server 2.12 or newer with JetStream is expected"
        )


async def _update(client: Client, configuration: dict[str, Any]) -> dict[str, Any]:
    name = configuration["name"]
    answer = await _request(client, f"$JS.API.STREAM.UPDATE.{name}", configuration)
    if "error" not in answer:
        return answer
    # When it flushes cannot be changed: a stream that was made by another version keeps its way.
    present = (await _request(client, f"$JS.API.STREAM.INFO.{name}", {})).get("config", {})
    kept = {key: value for key, value in configuration.items() if key != _PERSIST_MODE}
    if _PERSIST_MODE in present:
        kept[_PERSIST_MODE] = present[_PERSIST_MODE]
    return await _request(client, f"$JS.API.STREAM.UPDATE.{name}", kept)


async def _request(client: Client, subject: str, document: dict[str, Any]) -> dict[str, Any]:
    try:
        reply = await client.request(subject, json.dumps(document).encode(), timeout=_REQUEST_SECONDS)
    except Exception as error:
        raise UnavailableError(f"JetStream did not answer {subject!r}: {error!r}; is it enabled?") from error
    answer: dict[str, Any] = json.loads(reply.data)
    return answer


def _error_code(answer: dict[str, Any]) -> int | None:
    code = answer.get("error", {}).get("err_code")
    return code if isinstance(code, int) else None
