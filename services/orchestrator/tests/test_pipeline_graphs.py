"""Which tasks wait for which, in which stages they run, and how that is drawn."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sightwire_orchestrator.commands.pipelines import app
from sightwire_orchestrator.definitions.drawing import mermaid, text
from sightwire_orchestrator.definitions.graph import dependencies_of, find_cycles, stages
from sightwire_orchestrator.definitions.reading import read_definition
from typer.testing import CliRunner, Result

from sightwire.contracts.pipelines import PipelineDefinition

EXAMPLES = Path(__file__).parents[3] / "examples" / "pipelines"


def example(name: str) -> PipelineDefinition:
    return read_definition((EXAMPLES / name).read_bytes(), origin=name)


def with_tasks(*tasks: dict[str, Any]) -> PipelineDefinition:
    whole = {"name": "test", "tasks": [{"type": "custom", **task} for task in tasks], "global_parameters": {"g": "x"}}
    return read_definition(whole, origin="test")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_tasks_wait_for_what_they_name_and_refer_to() -> None:
    definition = with_tasks(
        {"name": "last", "idempotency_key": "{mapped_output}", "dependencies": ["free"]},
        {"name": "mapped", "map": "{listing_output.list}", "condition": "free_output > 1"},
        {"name": "listing"},
        {"name": "free"},
    )
    assert dependencies_of(definition) == {
        "last": {"mapped", "free"},
        "mapped": {"listing", "free"},
        "listing": set(),
        "free": set(),
    }
    assert stages(definition) == (("listing", "free"), ("mapped",), ("last",))


NUMBERS = st.integers(0, 12).map(str)


@given(st.dictionaries(NUMBERS, st.lists(NUMBERS, max_size=3), max_size=12))
def test_cycles_are_paths_of_the_graph_and_none_is_missed(graph: dict[str, list[str]]) -> None:
    cycles = find_cycles(graph)
    for cycle in cycles:
        assert len(set(cycle)) == len(cycle)
        assert all(after in graph[name] for name, after in zip(cycle, (*cycle[1:], cycle[0]), strict=True))
    left = {name: set(others) & graph.keys() for name, others in graph.items()}
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    assert bool(cycles) == bool(left)


def test_long_chains_are_walked() -> None:
    chain = {str(n): [str(n + 1)] for n in range(20_000)}
    assert find_cycles(chain) == []
    assert find_cycles({**chain, "20000": ["0"]}) == [tuple(map(str, range(20_001)))]


def test_a_drawing_shows_tasks_arrows_reviews_maps_and_conditions() -> None:
    assert mermaid(example("drafts.yaml")).splitlines() == [
        "flowchart TD",
        '    t0{{"generate_draft<br/>text_generation<br/>then a review"}}',
        '    t1["validation<br/>validation"]',
        '    t2["tell<br/>notify"]',
        "    t0 --> t1",
        '    t1 -. "notify_url != null" .-> t2',
    ]
    assert '[["label<br/>classification<br/>for each of {batches}"]]' in mermaid(example("collection-quality.yaml"))


def test_what_means_something_to_mermaid_is_written_by_its_number() -> None:
    condition = r"""g.contains('"`<&#\\')"""
    definition = with_tasks({"name": "a"}, {"name": "b", "dependencies": ["a"], "condition": condition})
    drawn = mermaid(definition).splitlines()[-1]
    assert drawn.count('"') == 2
    assert not set("`<\\") & set(drawn.split('"')[1])


def test_text_shows_stages() -> None:
    assert text(example("drafts.yaml")).splitlines() == [
        "drafts 1: Draft a text about a topic, have it reviewed, check it",
        "stage 1",
        "  generate_draft (text_generation)",
        "    up to 4 attempts",
        "    then a review by editing",
        "stage 2",
        "  validation (validation), after generate_draft",
        "stage 3",
        "  tell (notify), after validation",
        "    if notify_url != null",
        "    may fail",
        "gives text, model",
    ]


def test_the_commands(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\ntasks:\n  - {name: a, type: nowhere, dependencies: [b]}\n")
    good = EXAMPLES / "drafts.yaml"
    passed = run("validate", good)
    assert (passed.exit_code, passed.output) == (0, f"{good}: drafts 1, 3 tasks\n")
    refused = run("validate", good, bad)
    assert refused.exit_code == 1
    assert f'{bad}:3:45: tasks[0].dependencies[0]: there is no task "b"' in refused.output
    assert f"{bad}:3:21: tasks[0].type: no handler for tasks of type" in refused.output
    assert run("show", good, "--format", "mermaid").output.startswith("flowchart TD")
    assert "stage 1" in run("show", good).output


@pytest.mark.parametrize("any_type", [True, False])
def test_types_of_other_machines_may_be_let_pass(tmp_path: Path, any_type: bool) -> None:
    file = tmp_path / "own.json"
    file.write_text('{"name": "own", "tasks": [{"name": "a", "type": "elsewhere", "parameters": {"b": 1}}]}')
    assert run("validate", file, *["--any-type"] * any_type).exit_code == (0 if any_type else 1)
