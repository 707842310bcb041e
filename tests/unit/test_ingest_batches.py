"""Ingest events that share a message: which may, and that each comes out as it went in."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightwire.contracts import ingest_batches
from sightwire.contracts.collections import CollectionRecord, CollectionSpec
from sightwire.contracts.events import IngestEvent
from sightwire.contracts.ingest_batches import BatchedEvent, decode_batch, encode_batch, group_events, needs_model
from sightwire.errors import InvalidInputError

TEXT = {"source": "text", "dimension": 8}
SIZES = st.sampled_from([10, ingest_batches.MAX_BYTES // 3, ingest_batches.MAX_BYTES * 2])
EVENTS = st.lists(st.tuples(st.sampled_from("abcdef"), SIZES, st.booleans()), max_size=60)


@given(EVENTS)
def test_groups_are_runs_of_what_may_share_a_message(events: list[tuple[str, int, bool]]) -> None:
    ids, sizes, may_join = ([event[part] for event in events] for part in range(3))
    groups = group_events(ids, sizes, may_join)  # type: ignore[arg-type]
    assert [position for group in groups for position in group] == list(range(len(events))), "in order, without gaps"
    for group in groups:
        if len(group) == 1:
            continue
        assert all(may_join[position] for position in group)
        assert len({ids[position] for position in group}) == len(group), "one version cannot order two puts of an id"
        assert sum(sizes[position] for position in group) <= ingest_batches.MAX_BYTES  # type: ignore[misc]


def test_a_group_is_no_larger_than_a_message_may_be() -> None:
    count = ingest_batches.MAX_EVENTS + 1
    assert group_events([str(number) for number in range(count)], [1] * count, [True] * count) == [
        range(ingest_batches.MAX_EVENTS),
        range(ingest_batches.MAX_EVENTS, count),
    ]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param({"id": "a", "vectors": {"own": [1, 2]}}, False, id="vectors of its own"),
        pytest.param({"id": "a", "vectors": {"own": [1, 2]}, "text": "a cat"}, True, id="a text that is embedded"),
        pytest.param({"id": "a", "image": {"url": "https://example.org/a.jpg"}}, True, id="a picture"),
        pytest.param({"id": "a", "operation": "delete"}, False, id="a deletion"),
    ],
)
def test_what_needs_a_model_travels_alone(event: dict[str, object], expected: bool) -> None:
    spec = CollectionSpec.model_validate({"name": "photos", "fields": {"own": {"dimension": 2}, "text": TEXT}})
    record = CollectionRecord.model_validate({"spec": spec, "uid": "u", "created_at": "2026-01-01T00:00:00Z"})
    assert needs_model(IngestEvent.model_validate(event), record) is expected


def test_a_text_that_nobody_embeds_needs_no_model() -> None:
    spec = CollectionSpec.model_validate({"name": "photos", "fields": {"own": {"dimension": 2}}})
    record = CollectionRecord.model_validate({"spec": spec, "uid": "u", "created_at": "2026-01-01T00:00:00Z"})
    assert not needs_model(IngestEvent(id="a", text="only searched for words"), record)


@given(
    st.lists(
        st.builds(
            BatchedEvent,
            st.dictionaries(st.text(max_size=5), st.integers(0, 9), min_size=1, max_size=3).map(orjson.dumps),
            st.sampled_from(["", "00-1-2-01"]),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_what_goes_in_comes_out(events: list[BatchedEvent]) -> None:
    assert decode_batch(encode_batch(events)) == events


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "not JSON"),
        (b"[]", "'events'"),
        (b'{"events": []}', "1 to 128"),
        (b'{"events": [1], "traceparents": []}', "'traceparents'"),
        (b'{"events": [{"id": "a"}, {"id": "a"}]}', "each id once"),
    ],
)
def test_what_cannot_be_taken_apart_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        decode_batch(payload)
