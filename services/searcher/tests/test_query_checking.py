"""What a query takes from the snapshot that answers it."""

import numpy as np
import pytest
from sightwire_searcher.search.requests import checked_query
from sightwire_searcher.snapshot import Snapshot

from services.searcher.tests.building import EPOCH, collection_record, user_field
from sightwire.contracts.collections import IndexParameters
from sightwire.errors import ConflictError
from sightwire.segments.manifest import Checkpoint, Manifest
from sightwire.v1 import searcher_pb2 as pb

DIMENSION = 4


def snapshot(*, generation: Manifest | None = None) -> Snapshot:
    """The field `careful` has index parameters of its own, `image` has not."""
    careful = user_field(DIMENSION).model_copy(update={"index": IndexParameters(ef_search=500)})
    record = collection_record(fields={"image": user_field(DIMENSION), "careful": careful})
    return Snapshot(record.model_copy(update={"space": "first-1"}), generation, ())


def generation(*, space: str = "second-2", ef_search: int = 200) -> Manifest:
    return Manifest(
        version=3,
        collection="photos",
        collection_uid="0",
        generation="g2",
        space=space,
        created_at=EPOCH,
        checkpoint=Checkpoint(sequence=1, stream_created_at=EPOCH),
        index=IndexParameters(ef_search=ef_search),
    )


def request(*fields: str, space: str = "", ef_search: int = 0) -> pb.SearchRequest:
    vector = np.ones(DIMENSION, dtype="<f4").tobytes()
    queries = [pb.FieldQuery(field=field, vector=vector, space=space) for field in fields]
    return pb.SearchRequest(collection="photos", queries=queries, k=10, ef_search=ef_search)


@pytest.mark.parametrize(
    ("manifest", "asked_for", "expected"),
    [
        (None, 0, (64, 500)),
        (generation(ef_search=200), 0, (200, 500)),
        (generation(ef_search=200), 32, (32, 32)),
    ],
)
def test_each_field_is_searched_with_its_own_effort(
    manifest: Manifest | None, asked_for: int, expected: tuple[int, int]
) -> None:
    query = checked_query(request("image", "careful", ef_search=asked_for), snapshot(generation=manifest))
    assert tuple(target.ef_search for target in query.targets) == expected


@pytest.mark.parametrize(
    ("manifest", "accepted", "refused"),
    [(None, "first-1", "second-2"), (generation(space="second-2"), "second-2", "first-1")],
)
def test_a_vector_must_be_of_the_space_that_is_searched(manifest: Manifest | None, accepted: str, refused: str) -> None:
    answering = snapshot(generation=manifest)
    checked_query(request("image", space=accepted), answering)
    with pytest.raises(
        ConflictError, match=rf"is of space '{refused}', but generation g. of .* is of space '{accepted}'"
    ):
        checked_query(request("image", space=refused), answering)
