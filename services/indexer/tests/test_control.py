"""Requests to indexers on the bus: who answers, and with which words."""

from collections.abc import Callable

import pytest
from sightwire_indexer.operations.store import OperationStore

from services.indexer.tests.indexer_world import IndexerWorld
from services.indexer.tests.operating import ask, publish_items, start, succeeded
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.control import ControlClient
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import (
    CancelOperation,
    ControlReply,
    ForgetGeneration,
    GenerationList,
    ListBackups,
    ListGenerations,
    ReadReport,
    StartOperation,
    VerifyBackup,
)
from sightwire.contracts.operations import OperationRecord, OperationState, Rebuild, Rollback, Switch
from sightwire.errors import InvalidInputError, NotFoundError, SightwireError, UnavailableError
from tests.plugin.waiting import wait_until

MakeRecord = Callable[..., CollectionRecord]


async def test_without_an_indexer_it_is_said_that_there_is_none(world: IndexerWorld, make_record: MakeRecord):
    control = ControlClient(world.bus)
    with pytest.raises(UnavailableError, match="no indexer owns collection 'photos'"):
        await control.ask_owner("photos", ListGenerations())
    with pytest.raises(UnavailableError, match="no indexer is running"):
        await control.ask_any(ListBackups())


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        pytest.param(b"\xff", "JSON", id="no JSON"),
        pytest.param(b'{"ask": "dance"}', "expected tags: 'compare_items', 'start'", id="unknown"),
        pytest.param(b'{"ask": "start", "command": {"kind": "rebuild", "threads": 0}}', "threads", id="wrong value"),
        pytest.param(b'{"ask": "generations", "more": 1}', "more", id="too much"),
    ],
)
async def test_a_wrong_request_is_told_what_was_expected(
    world: IndexerWorld, make_record: MakeRecord, payload: bytes, words: str
):
    record = await world.create(make_record())
    async with world.indexer():
        await ask(world, record, ListGenerations())
        answer = await world.bus.client.request(subjects.control_index(record.name), payload, timeout=5)
        reply = ControlReply.model_validate_json(answer.data)
        assert reply.error_code == InvalidInputError.code
        assert words in (reply.error or "")


async def test_refusals_come_back_as_the_errors_that_they_are(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer():
        refused: list[tuple[type[SightwireError], str, object]] = [
            (NotFoundError, "no operation 'x'", CancelOperation(operation="x")),
            (InvalidInputError, "is live", ForgetGeneration(generation="g1")),
            (NotFoundError, "no generation 'g9'", ForgetGeneration(generation="g9")),
            (NotFoundError, "no report of generation 'g9'", ReadReport(generation="g9")),
        ]
        for error, words, request in refused:
            with pytest.raises(error, match=words):
                await ask(world, record, request)
        with pytest.raises(NotFoundError, match="nothing"):
            await ControlClient(world.bus).ask_any(VerifyBackup(backup="nothing"))
        assert await ControlClient(world.bus).ask_any(ListBackups()) == []


async def test_an_operation_says_in_words_why_it_failed(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer():
        for command, words in (
            (Rollback(), "nothing to go back to"),
            (Switch(generation="g7"), "no generation 'g7'"),
            (Switch(generation="g1"), "'g1' of .* is live already"),
        ):
            with pytest.raises(AssertionError, match=words):
                await succeeded(world, await start(world, record, command))


async def test_a_request_without_a_reply_subject_is_carried_out(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    async with world.indexer():
        await world.indexed_up_to(record, await publish_items(world, record, range(10)))
        await ask(world, record, ListGenerations())
        request = StartOperation(command=Rebuild(activate=False), requested_by="event")
        await world.bus.client.publish(subjects.control_index(record.name), request.model_dump_json().encode())

        async def is_staged() -> bool:
            listed = GenerationList.model_validate(await ask(world, record, ListGenerations()))
            return [generation.state for generation in listed.generations] == ["live", "staged"]

        await wait_until(is_staged, 30)
        listed = GenerationList.model_validate(await ask(world, record, ForgetGeneration(generation="g2")))
        assert [generation.name for generation in listed.generations] == ["g1"]


async def test_operations_of_a_deleted_collection_end(world: IndexerWorld, make_record: MakeRecord):
    record = await world.create(make_record())
    store = OperationStore(world.bus)
    left = OperationRecord(
        id="left",
        collection=record.name,
        collection_uid=record.uid,
        command=Rebuild(),
        requested_by="test",
    )
    async with world.indexer():
        await ask(world, record, ListGenerations())
        await store.write(left, after=0)
        await CollectionRegistry(world.bus).delete(record.name)

        async def has_ended() -> OperationRecord | None:
            found = await store.get(record.name, "left")
            return found if found.state.is_final else None

        ended = await wait_until(has_ended)
        assert (ended.state, ended.error) == (OperationState.FAILED, "the collection or its index was deleted")
