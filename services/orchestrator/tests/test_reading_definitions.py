"""Definitions are read whole, or refused with every fault and its place, and never take long."""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sightwire_orchestrator.definitions.errors import DefinitionError
from sightwire_orchestrator.definitions.reading import read_definition
from sightwire_orchestrator.definitions.references import escaped
from sightwire_orchestrator.definitions.yaml_documents import MAX_BYTES
from sightwire_orchestrator.tasks.registry import HandlerRegistry

EXAMPLES = Path(__file__).parents[3] / "examples" / "pipelines"

SMALL: dict[str, Any] = {
    "name": "small",
    "tasks": [
        {"name": "first", "type": "custom", "parameters": {"topic": "{topic}"}},
        {"name": "second", "type": "custom", "parameters": {"text": "{first_output.text}"}},
    ],
    "global_parameters": {"topic": "cats", "settings": {"model": "a"}, "pages": [1, 2]},
}


def changed(**task: Any) -> dict[str, Any]:
    """The small definition with other members of its second task."""
    first, second = SMALL["tasks"]
    return {**SMALL, "tasks": [first, {**second, **task}]}


def faults(definition: Any) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        read_definition(definition, origin="file")
    return str(caught.value).splitlines()


@pytest.mark.parametrize("file", sorted(EXAMPLES.iterdir()), ids=lambda file: file.name)
def test_the_examples_are_valid(file: Path) -> None:
    handlers = HandlerRegistry.with_builtin_types()
    assert read_definition(file.read_bytes(), origin=file.name, handlers=handlers).name == file.stem


def test_yaml_json_and_mappings_say_the_same() -> None:
    expected = read_definition(SMALL, origin="dict")
    assert read_definition(json.dumps(SMALL, indent="\t"), origin="json") == expected
    assert read_definition(yaml.safe_dump(SMALL).encode(), origin="yaml") == expected


@pytest.mark.parametrize(
    ("task", "fault"),
    [
        ({"dependencies": ["frist"]}, 'tasks[1].dependencies[0]: there is no task "frist"; did you mean "first"?'),
        ({"dependencies": ["second"]}, "tasks[1].dependencies[0]: a task cannot wait for itself"),
        ({"parameters": {"a": "{frst_output}"}}, "tasks[1].parameters.a: {frst_output} stands for nothing: "),
        (
            {"parameters": {"a": "{second_output.x}"}},
            "tasks[1].parameters.a: {second_output.x} is the task's own output",
        ),
        ({"parameters": {"a": ["{topci}"]}}, "tasks[1].parameters.a[0]: {topci} stands for nothing: "),
        ({"parameters": {"a": "{settings.modle}"}}, "tasks[1].parameters.a: {settings.modle} stands for nothing: "),
        ({"parameters": {"a": "{item}"}}, "tasks[1].parameters.a: {item} stands for something only in"),
        ({"parameters": {"a": '{"json": 1}'}}, "tasks[1].parameters.a: "),
        ({"map": "{topic}"}, 'tasks[1].map: {topic} is to be a list, it is "cats"'),
        ({"map": "pages"}, "tasks[1].map: expected one reference to a list"),
        ({"map": "{pages} and more"}, "tasks[1].map: expected one reference to a list"),
        ({"condition": "first_output.score >"}, "tasks[1].condition: expected a value, got the end at character 21"),
        ({"condition": "size(topic)"}, "tasks[1].condition: a condition is true or false, which"),
        ({"condition": "tpoic == 'a'"}, 'tasks[1].condition: there is no variable "tpoic"; did you mean "topic"?'),
        ({"condition": "item == 1"}, "tasks[1].condition: a condition is about the whole task"),
        ({"condition": "{topic} == 'a'"}, "tasks[1].condition: "),
        ({"timeout": "300"}, 'tasks[1].timeout: expected a number, got "300"'),
        ({"cache_enabled": "yes"}, 'tasks[1].cache_enabled: expected true or false, got "yes"'),
        ({"model": 5}, 'tasks[1].model: expected a text, got 5; write "5"'),
        ({"retry": {"max_attempts": 0}}, "tasks[1].retry.max_attempts: expected greater than 0, got 0"),
        ({"retry": {"backof": "linear"}}, 'tasks[1].retry.backof: "backof" is no key here; did you mean "backoff"?'),
        ({"retry": {"backoff": "often"}}, "tasks[1].retry.backoff: expected 'fixed', 'linear' or 'exponential'"),
        ({"name": "first"}, 'tasks[1].name: "first" is the name of tasks[0] already'),
        ({"name": "a-b"}, 'tasks[1].name: expected letters, digits and _, no digit first, at most 63, got "a-b"'),
        ({"paramters": {}}, 'tasks[1].paramters: "paramters" is no key here; did you mean "parameters"?'),
    ],
)
def test_each_fault_is_named(task: dict[str, Any], fault: str) -> None:
    assert any(line.startswith(f"file: {fault}") for line in faults(changed(**task))), faults(changed(**task))


def test_a_cycle_is_shown_as_a_path() -> None:
    tasks = [
        {"name": "a", "type": "custom", "condition": "c_output.ready"},
        {"name": "b", "type": "custom", "dependencies": ["a"]},
        {"name": "c", "type": "custom", "parameters": {"x": {"deep": ["{b_output}"]}}},
    ]
    (line,) = faults({**SMALL, "tasks": tasks})
    assert line == "file: tasks[0]: these tasks wait for each other in a circle: a → c → b → a"


def test_types_and_parameters_are_those_of_handlers() -> None:
    tasks = [
        {"name": "a", "type": "text_genertion", "parameters": {}},
        {"name": "b", "type": "text_generation", "parameters": {"prompt": "Hello", "temperature": "hot", "max": 1}},
    ]
    with pytest.raises(DefinitionError) as caught:
        read_definition({**SMALL, "tasks": tasks}, origin="file", handlers=HandlerRegistry.with_builtin_types())
    lines = str(caught.value)
    assert 'tasks[0].type: no handler for tasks of type "text_genertion" is installed; did you mean' in lines
    assert "tasks[1].parameters.temperature: " in lines
    assert "tasks[1].parameters.max: " in lines


def test_every_fault_is_told_at_once_with_its_place() -> None:
    text = """\
name: My drafts
tasks:
  - name: one
    type: custom
    dependencies: [tow]
    timeout: -1
    parameters:
      prompt: "{nothing}"
      prompt: again
      limit: .inf
global_parameters: {1: a, item: 2}
"""
    assert [line.split(": ")[:2] for line in faults(text)] == [
        ["file:1:7", "name"],
        ["file:5:20", "tasks[0].dependencies[0]"],
        ["file:6:14", "tasks[0].timeout"],
        ["file:8:15", "tasks[0].parameters.prompt"],
        ["file:9:7", "tasks[0].parameters.prompt"],
        ["file:10:14", "tasks[0].parameters.limit"],
        ["file:11:21", "global_parameters"],
        ["file:11:27", "global_parameters.item"],
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it is empty"),
        ("a: [1", "it is neither YAML nor JSON"),
        ("a: 1\n---\nb: 2", "a second document begins; expected one"),
        ("just a text", "expected a mapping"),
        (b"\xff\xfe\xfa", "it is not UTF-8"),
        ("a: \x00", "it is neither YAML nor JSON"),
        ("name: !!python/object:os.system x", "the tag"),
        ("a: *unknown", "*unknown stands for nothing"),
        ("a: &a [*a]", "*a stands within what it stands for"),
        ("[" * 100_000, "more than 64 deep"),
        ("a: " + "x" * MAX_BYTES, "it is longer than 512 KiB"),
        ("? [1, 2]\n: 3", "keys are texts, got a list"),
        ("a: " + "9" * 30, "does not fit into 64 bits"),
        ("a: &a " + "[x, x, x, x, x, x, x, x]\n" + "".join(f"k{n}: &{n} [*a, *a]\n" for n in "bcd"), "no key here"),
    ],
)
def test_what_is_no_definition_at_all(text: str | bytes, fault: str) -> None:
    assert any(fault in line for line in faults(text)), faults(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a0 [x]\n" + "".join(f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)),
        "name: x\ntasks:\n" + "- {name: a, unknown: {b}, type: c}\n".replace("{b}", "1") * 10_000,
        "tasks:\n" + "".join(f"- {{name: t{n}, dependencies: [t{n + 1}, u{n}]}}\n" for n in range(8_000)),
        "tasks: ["
        + ", ".join(f"{{name: t{n}, dependencies: [t{(n + 1) % 5000}, t{n // 2}]}}" for n in range(5000))
        + "]",
        "tasks: [{name: a, parameters: {p: '" + "{a" * 200_000 + "'}}]",
        "tasks: [{name: a, condition: '" + "(" * 400_000 + "'}]",
        "".join(f"k{n}: 1\n" for n in range(20_000)),
    ],
    ids=["aliases", "keys", "names", "cycles", "braces", "condition", "top"],
)
def test_definitions_from_the_wild_take_no_long_time(text: str) -> None:
    began = time.process_time()
    faults(text)
    assert time.process_time() - began < 15, "seconds of processor; a second on a machine with nothing else to do"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200) | st.from_regex(r"\A[\[\]{}:,&*!?|>'\"a\n -]{0,60}\Z"))
def test_no_text_crashes(text: str | bytes) -> None:
    with pytest.raises(DefinitionError):
        read_definition(text, origin="file")


KEYS = st.sampled_from(
    [
        "name",
        "type",
        "tasks",
        "parameters",
        "dependencies",
        "map",
        "condition",
        "retry",
        "global_parameters",
        "a_output",
    ]
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["a", "{a}", "{a_output.b[1]}", "{"])
)
JUNK = st.recursive(
    SCALARS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=6),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, JUNK, max_size=5) | st.builds(lambda tasks: {"name": "a", "tasks": tasks}, JUNK))
def test_no_mapping_crashes(value: dict[str, Any]) -> None:
    with suppress(DefinitionError):
        read_definition(value, origin="file")


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS.map(escaped),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(TEXTS, PLAIN, max_size=5))
def test_what_was_written_as_json_comes_back(parameters: dict[str, Any]) -> None:
    definition = read_definition(changed(parameters=parameters), origin="dict")
    assert definition.tasks[1].parameters == parameters
    written = json.dumps(json.loads(definition.model_dump_json()))
    assert read_definition(written, origin="json") == definition
    assert read_definition(definition.model_dump(mode="json"), origin="dict") == definition
