"""`text_generation`, `extraction` and `classification` through a real server that does all that a bad one would."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from sightwire_orchestrator.tasks.endpoints import answer_reading
from sightwire_orchestrator.tasks.endpoints.json_answers import read_json
from sightwire_orchestrator.tasks.errors import BadAnswerError, InvalidParametersError, TaskTimeoutError
from sightwire_orchestrator.tasks.registry import HandlerRegistry
from sightwire_orchestrator.tasks.resources import open_resources

from services.orchestrator.tests.scripted_server import ScriptedServer, answer, events, scripted_server, silence
from services.orchestrator.tests.task_world import TaskWorld, completion, part, parts_of, task_settings
from sightwire.errors import (
    DeadlineError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    SightwireError,
    UnauthorizedError,
    UnavailableError,
)

INVOICE = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def world(server: ScriptedServer) -> AsyncIterator[TaskWorld]:
    endpoint = {
        "base_url": f"{server.url}/v1",
        "api_key": "secret-of-the-endpoint",
        "model": "small-1",
        "max_retries": 2,
        "max_tokens": 100,
        "idle_seconds": 5.0,
    }
    endpoints = {
        "default": endpoint,
        "at_once": {**endpoint, "streaming": False, "structured_output": "json_object"},
        "plain": {**endpoint, "streaming": False, "structured_output": "none"},
        "impatient": {**endpoint, "idle_seconds": 0.2, "max_retries": 0},
        "dead": {**endpoint, "base_url": "http://127.0.0.1:9/v1", "max_retries": 0},
    }
    async with open_resources(task_settings(endpoints=endpoints)) as resources:
        yield TaskWorld(resources, HandlerRegistry.with_builtin_types())


async def test_text_is_streamed_with_progress(world: TaskWorld, server: ScriptedServer):
    server.script = [events(*parts_of("a small red boat"))]
    output = await world.run("text_generation", {"prompt": "What is it?", "system": "Be brief.", "max_tokens": 20})
    assert output.pop("seconds") >= 0
    assert output == {
        "text": "a small red boat",
        "model": "small-1",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }
    assert [told.done for told in world.progress if told.stage == "generating"][:4] == [4, 8, 12, 16]
    [request] = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer secret-of-the-endpoint"
    assert request.json["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is it?"},
    ]
    assert (request.json["model"], request.json["max_tokens"], request.json["stream"]) == ("small-1", 20, True)


async def test_what_a_reviewer_said_is_told_to_the_model(world: TaskWorld, server: ScriptedServer):
    server.script = [events(*parts_of("a blue boat")), events(*parts_of('{"total": 2}'))]
    await world.run("text_generation", {"prompt": "What is it?"}, feedback="It is blue.")
    await world.run("extraction", {"input": "?", "schema": INVOICE}, feedback="There are two.")
    for request, said in zip(server.requests, ("It is blue.", "There are two."), strict=True):
        last = request.json["messages"][-1]
        assert last["role"] == "user"
        assert last["content"].endswith(said)


async def test_text_comes_at_once_where_an_endpoint_cannot_stream(world: TaskWorld, server: ScriptedServer):
    server.script = [answer(completion("a boat", finish_reason="length"))]
    output = await world.run("text_generation", {"prompt": "?", "endpoint": "at_once"}, model="large-2")
    assert (output["text"], output["finish_reason"]) == ("a boat", "length")
    assert server.requests[0].json["model"] == "large-2"
    assert "stream" not in server.requests[0].json


@pytest.mark.parametrize(("asked", "sent"), [(None, 100), (30, 30), (5000, 100)])
async def test_no_task_gets_more_tokens_than_the_endpoint_allows(
    world: TaskWorld, server: ScriptedServer, asked: int | None, sent: int
):
    server.script = [answer(completion("a boat"))]
    await world.run("text_generation", {"prompt": "?", "endpoint": "at_once", "max_tokens": asked})
    assert server.requests[0].json["max_tokens"] == sent


async def test_too_many_requests_are_sent_again_when_the_endpoint_says(world: TaskWorld, server: ScriptedServer):
    server.script = [
        answer({"error": {"message": "slow down"}}, status=429, retry_after="1"),
        events(*parts_of("here")),
    ]
    output = await world.run("text_generation", {"prompt": "?"})
    assert output["text"] == "here"
    first, second = server.requests
    assert second.at - first.at >= 0.95


async def test_a_server_that_is_broken_for_a_moment_is_asked_again(world: TaskWorld, server: ScriptedServer):
    server.script = [answer(status=500), answer(status=503), events(*parts_of("here"))]
    output = await world.run("text_generation", {"prompt": "?"})
    assert output["text"] == "here"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "error", "requests"),
    [
        (429, OverloadedError, 3),
        (500, UnavailableError, 3),
        (401, UnauthorizedError, 1),
        (403, UnauthorizedError, 1),
        (404, NotFoundError, 1),
        (400, InvalidInputError, 1),
        (422, InvalidInputError, 1),
    ],
)
async def test_each_refusal_is_its_own_error(
    world: TaskWorld, server: ScriptedServer, status: int, error: type[SightwireError], requests: int
):
    server.otherwise = answer({"error": {"message": "because of this"}}, status=status, retry_after="0.01")
    with pytest.raises(error, match="because of this") as raised:
        await world.run("text_generation", {"prompt": "?"})
    assert "endpoint 'default'" in raised.value.detail
    assert len(server.requests) == requests


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (events(part("half"), cut=True), "connection to endpoint 'default' failed"),
        (events(part("half"), done=False), "ended after 4 characters without saying that the answer is whole"),
        (events(part("half")), "ended after 4 characters without saying that the answer is whole"),
        (events(), "ended after 0 characters"),
        (events(part(finish_reason="stop")), "answered without any text"),
        (events(b"{nonsense"), "something that is no JSON"),
        (events(5), "no chat completion"),
        (events({"choices": "none"}), "no chat completion"),
        (events({"choices": [{"delta": {"content": ["a"]}}]}), "no chat completion"),
        (events({"error": {"message": "out of memory"}}), "broke its answer off: out of memory"),
        (answer(b"<html>hello</html>", content_type="text/html"), "ended after 0 characters"),
    ],
)
async def test_a_stream_that_is_no_answer_is_told_as_such(
    world: TaskWorld, server: ScriptedServer, sent: Any, expected: str
):
    server.otherwise = sent
    with pytest.raises(SightwireError, match=expected) as raised:
        await world.run("text_generation", {"prompt": "?"})
    assert raised.value.transient


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>hello</html>", "text/html"),
        (b"{nonsense", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b'{"choices": []}', "application/json"),
        (b'{"choices": [{"message": {"content": 5}}]}', "application/json"),
        (b'{"choices": [{"message": {"content": null}}]}', "application/json"),
        (b'{"choices": [{"message": {"content": "", "refusal": "I will not"}}]}', "application/json"),
        (b"\xff\xfe{", "application/json"),
    ],
)
async def test_an_answer_that_is_none_is_told_as_such(
    world: TaskWorld, server: ScriptedServer, body: bytes, content_type: str
):
    server.otherwise = answer(body, content_type=content_type)
    with pytest.raises(BadAnswerError, match="endpoint 'at_once' answered"):
        await world.run("text_generation", {"prompt": "?", "endpoint": "at_once"})


@pytest.mark.parametrize("sent", [silence(), events(part("half"), hang=True)])
async def test_silence_has_an_end(world: TaskWorld, server: ScriptedServer, sent: Any):
    server.otherwise = sent
    with pytest.raises(DeadlineError, match="endpoint 'impatient' was silent"):
        await world.run("text_generation", {"prompt": "?", "endpoint": "impatient"})


async def test_the_deadline_of_the_task_counts_for_retries_and_silence_alike(world: TaskWorld, server: ScriptedServer):
    server.script = [answer(status=429, retry_after="60")]
    started = time.monotonic()
    with pytest.raises(TaskTimeoutError):
        await world.run("text_generation", {"prompt": "?"}, timeout=0.5)
    assert time.monotonic() - started < 5


async def test_a_text_without_end_is_given_up(
    world: TaskWorld, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(answer_reading, "MAX_ANSWER_CHARACTERS", 10_000)
    server.script = [events(part("word " * 100), forever=True)]
    with pytest.raises(BadAnswerError, match="more than 10000 characters"):
        await world.run("text_generation", {"prompt": "?"})


async def test_an_endpoint_that_is_not_there_or_not_configured(world: TaskWorld):
    with pytest.raises(UnavailableError, match="connection to endpoint 'dead' failed"):
        await world.run("text_generation", {"prompt": "?", "endpoint": "dead"})
    with pytest.raises(NotFoundError, match=r"no endpoint 'other' is configured; there are at_once, dead, default"):
        await world.run("text_generation", {"prompt": "?", "endpoint": "other"})


async def test_either_a_prompt_or_messages(world: TaskWorld):
    for parameters in ({}, {"prompt": "a", "messages": [{"role": "user", "content": "b"}]}):
        with pytest.raises(InvalidParametersError, match="give either `prompt` or `messages`"):
            await world.run("text_generation", parameters)


async def test_extracted_data_fits_the_schema(world: TaskWorld, server: ScriptedServer):
    server.script = [events(*parts_of('{"total": 12.5}'))]
    output = await world.run("extraction", {"input": "Total: 12.50", "schema": INVOICE})
    assert output == {
        "data": {"total": 12.5},
        "repairs": 0,
        "model": "small-1",
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }
    sent = server.requests[0].json
    assert sent["response_format"] == {"type": "json_schema", "json_schema": {"name": "answer", "schema": INVOICE}}
    assert sent["temperature"] == 0
    assert sent["messages"][1] == {"role": "user", "content": "Total: 12.50"}


async def test_wrong_data_is_sent_back_with_what_is_wrong(world: TaskWorld, server: ScriptedServer):
    server.script = [
        answer(completion("Sure! The total is 12.")),
        answer(completion('{"total": "twelve"}')),
        answer(completion('Here:\n```json\n{"total": 12}\n```')),
    ]
    output = await world.run("extraction", {"input": {"page": 1}, "schema": INVOICE, "endpoint": "at_once"})
    assert (output["data"], output["repairs"]) == ({"total": 12}, 2)
    assert output["usage"] == {"prompt_tokens": 21, "completion_tokens": 9}
    first, second, third = (request.json["messages"] for request in server.requests)
    assert server.requests[0].json["response_format"] == {"type": "json_object"}
    assert [len(first), len(second), len(third)] == [2, 4, 4]
    assert second[2]["content"] == "Sure! The total is 12."
    assert "it is no JSON" in second[3]["content"]
    assert "$.total: 'twelve' is not of type 'number'" in third[3]["content"]
    assert [told.done for told in world.progress if told.stage == "repairing"] == [1, 2]


async def test_repairs_have_an_end(world: TaskWorld, server: ScriptedServer):
    server.otherwise = answer(completion("{}"))
    with pytest.raises(BadAnswerError, match=r"asked 2 times, did not .* \$: 'total' is a required property"):
        await world.run("extraction", {"input": "?", "schema": INVOICE, "endpoint": "plain", "max_repairs": 1})
    assert len(server.requests) == 2
    assert "response_format" not in server.requests[0].json


async def test_data_that_is_cut_off_is_told_as_such(world: TaskWorld, server: ScriptedServer):
    server.otherwise = answer(completion('{"total": 1', finish_reason="length"))
    with pytest.raises(BadAnswerError, match="cut off at the limit of tokens"):
        await world.run("extraction", {"input": "?", "schema": INVOICE, "endpoint": "plain", "max_repairs": 0})


async def test_a_schema_that_is_none_is_refused_before_anybody_is_asked(world: TaskWorld, server: ScriptedServer):
    with pytest.raises(InvalidInputError, match="not a JSON Schema: at "):
        await world.run("extraction", {"input": "?", "schema": {"type": "numbr"}})
    assert not server.requests


async def test_an_endpoint_classifies_among_the_labels(world: TaskWorld, server: ScriptedServer):
    server.script = [answer(completion('{"labels": ["fish"]}')), answer(completion('{"labels": ["cat"]}'))]
    output = await world.run(
        "classification", {"text": "It purrs", "labels": ["cat", "dog"], "method": "endpoint", "endpoint": "plain"}
    )
    assert output == {"label": "cat", "labels": ["cat"], "model": "small-1", "repairs": 1}
    assert "'fish' is not one of ['cat', 'dog']" in server.requests[1].json["messages"][3]["content"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (" \n[1, 2]\n", [1, 2]),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('Here it is:\n```\n"text"\n```\nAnything else?', "text"),
        ("null", None),
    ],
)
def test_json_is_read_from_a_whole_answer_or_from_its_code(text: str, value: JsonValue):
    assert read_json(text) == value


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", 'It is {"a": 1}', '{"a": 1} {"b": 2}', "```json\n```"])
def test_what_is_no_json_is_not_guessed_at(text: str):
    with pytest.raises(ValueError, match=r"."):
        read_json(text)


@given(st.text())
def test_any_text_is_json_or_an_error(text: str):
    try:
        read_json(text)
    except (ValueError, RecursionError):
        return
