"""Pipelines drawn at random, and a world in which each attempt and each review comes out as the seed says."""

import json
import random
import zlib
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import JsonValue

from services.orchestrator.tests.naive_run import Texts
from sightwire.contracts.pipelines import Backoff, PipelineDefinition, RetryPolicy, ReviewDemand, TaskDefinition

Outcome = Literal["succeeds", "fails for now", "fails for good", "hangs"]

_SHORT_TIMEOUT = 4.0
_LONGEST = 6.0


@dataclass(frozen=True)
class Odds:
    """How likely each thing is, from 0 to 1."""

    fails_for_now: float = 0.0
    fails_for_good: float = 0.0
    hangs: float = 0.0
    conditional: float = 0.0
    optional: float = 0.0
    mapped: float = 0.0
    reviewed: float = 0.0


@dataclass(frozen=True)
class World:
    """What becomes of attempts and reviews; asked again it says the same."""

    seed: int
    odds: Odds

    def attempt(self, task: str, unit: int, attempt: int) -> tuple[Outcome, float]:
        """How an attempt comes out, and after how many seconds."""
        drawn = self._drawn("attempt", task, unit, attempt)
        seconds = round(drawn.uniform(0.001, _LONGEST), 3)
        kinds: list[Outcome] = ["fails for now", "fails for good", "hangs", "succeeds"]
        odds = [self.odds.fails_for_now, self.odds.fails_for_good, self.odds.hangs]
        return drawn.choices(kinds, [*odds, max(0.0, 1 - sum(odds))])[0], seconds

    def review(self, task: str, round_: int) -> tuple[Literal["approve", "reject", "changes"], float]:
        """How a review comes out, and after how many seconds."""
        drawn = self._drawn("review", task, round_)
        kinds: list[Literal["approve", "reject", "changes"]] = ["approve", "reject", "changes"]
        return drawn.choices(kinds, [0.7, self.odds.fails_for_good, 0.2])[0], round(drawn.uniform(0.001, 9.0), 3)

    def output(self, task: str, unit: int, parameters: dict[str, JsonValue]) -> JsonValue:
        """What a worker makes of parameters: a list that tells them apart from others."""
        said = json.dumps([task, unit, parameters], sort_keys=True)
        number = zlib.crc32(said.encode())
        return [number + element for element in range(number % 5)]

    def _drawn(self, *what: Any) -> random.Random:
        return random.Random(zlib.crc32(repr((self.seed, *what)).encode()))


def random_pipeline(world: World, tasks: int, most_at_once: int, timeout: float | None) -> PipelineDefinition:
    """A pipeline whose tasks are in no particular order; each depends on up to three that the drawing knew before."""
    drawn = random.Random(world.seed)
    names = [f"t{number}" for number in range(tasks)]
    drawn.shuffle(names)
    definitions = [_random_task(drawn, world.odds, name, names[:place]) for place, name in enumerate(names)]
    drawn.shuffle(definitions)
    results: dict[str, JsonValue] = {f"of_{name}": f"{{{name}_output}}" for name in names}
    return PipelineDefinition(
        name="random",
        tasks=tuple(definitions),
        global_parameters={"yes": True, "no": False, "none": [], "output_mapping": results},
        max_parallel_tasks=most_at_once,
        timeout=timeout,
    )


def texts_of(definition: PipelineDefinition) -> Texts:
    """What the texts of such a pipeline mean."""
    texts = Texts(dependencies={task.name: frozenset(task.dependencies) for task in definition.tasks})
    for task in definition.tasks:
        if task.condition is not None:
            texts.conditions[task.name] = lambda _, holds=task.condition == "yes": holds
        if task.map is not None:
            source = None if task.map == "{none}" else task.map[1:].removesuffix("_output}")
            texts.lists[task.name] = lambda outputs, source=source: outputs[source] if source else []
    return texts


def parameters_of(task: TaskDefinition, outputs: dict[str, JsonValue], unit: int) -> dict[str, JsonValue]:
    """The parameters of an order, as the references in such a pipeline mean them."""
    parameters: dict[str, JsonValue] = {f"of_{name}": outputs[name] for name in task.dependencies}
    if task.map is not None and task.map != "{none}":
        elements = outputs[task.map[1:].removesuffix("_output}")]
        assert isinstance(elements, list)
        parameters["element"] = elements[unit]
    return parameters


def _random_task(drawn: random.Random, odds: Odds, name: str, before: list[str]) -> TaskDefinition:
    # Mostly of the last few, so that there are long chains, too.
    dependencies = tuple(sorted({drawn.choice(before[-12:]) for _ in range(drawn.randint(0, 3)) if before}))
    is_mapped = drawn.random() < odds.mapped
    source = f"{{{drawn.choice(dependencies)}_output}}" if dependencies and drawn.random() < 0.9 else "{none}"
    parameters: dict[str, JsonValue] = {f"of_{other}": f"{{{other}_output}}" for other in dependencies}
    if is_mapped and source != "{none}":
        parameters["element"] = "{item}"
    return TaskDefinition(
        name=name,
        type="custom",
        parameters=parameters,
        dependencies=dependencies,
        timeout=drawn.choice([_SHORT_TIMEOUT, _LONGEST + 1]),
        retry=RetryPolicy(
            max_attempts=drawn.choice([1, 2, 5]),
            backoff=drawn.choice(list(Backoff)),
            initial_delay=drawn.choice([0.0, 0.5, 3.0]),
            max_delay=5.0,
            jitter=0,
        ),
        condition=drawn.choice(["yes", "no", "no"]) if drawn.random() < odds.conditional else None,
        map=source if is_mapped else None,
        optional=drawn.random() < odds.optional,
        review=ReviewDemand(max_changes=drawn.randint(0, 2)) if drawn.random() < odds.reviewed else None,
    )
