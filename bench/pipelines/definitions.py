"""Pipelines of tasks that do nothing, in the shapes whose costs differ."""

import random
from typing import Any

EMPTY_TYPE = "empty"


def mapped(elements: int, at_once: int) -> dict[str, Any]:
    """One task for each element of a list."""
    return {
        "name": "bench-mapped",
        "version": f"{elements}-{at_once}",
        "tasks": [{"name": "each", "type": EMPTY_TYPE, "map": "{elements}", "parameters": {"element": "{item}"}}],
        "global_parameters": {"elements": list(range(elements))},
        "max_parallel_tasks": at_once,
    }


def chain(length: int) -> dict[str, Any]:
    """Each task takes the output of the one before: one is on its way at a time."""
    tasks: list[dict[str, Any]] = [{"name": "t0", "type": EMPTY_TYPE}]
    tasks += [
        {"name": f"t{number}", "type": EMPTY_TYPE, "parameters": {"before": f"{{t{number - 1}_output}}"}}
        for number in range(1, length)
    ]
    return {"name": "bench-chain", "version": str(length), "tasks": tasks}


def random_graph(tasks: int, *, seed: int) -> dict[str, Any]:
    """Each task depends on up to three of the dozen before it."""
    drawn = random.Random(seed)
    names = [f"t{number}" for number in range(tasks)]
    return {
        "name": "bench-graph",
        "version": f"{tasks}-{seed}",
        "tasks": [
            {
                "name": name,
                "type": EMPTY_TYPE,
                "dependencies": sorted(set(drawn.choices(names[max(0, place - 12) : place], k=drawn.randint(0, 3))))
                if place
                else [],
            }
            for place, name in enumerate(names)
        ],
        "max_parallel_tasks": 32,
    }
