"""Gate: searches answer as they must.

Those that were configured must bring the expected items among their first results. Besides, sampled items with a text
must be found by all of its words.
"""

from typing import Final

from sightwire.contracts.validation import GateReport, ProbeQuery
from sightwire.segments.version_index import current_versions
from sightwire_indexer.validation.sampling import sampled_items
from sightwire_indexer.validation.searching import GenerationSearch, Target
from sightwire_indexer.validation.trial import Trial, gate_report
from sightwire_indexer.validation.word_search import contains_words, search_words

_SHOWN_CHARACTERS: Final = 80
#: Vectors fetched for each wanted item of an object field, several of which may belong to one item.
_OBJECTS_PER_ITEM: Final = 4


def functional(trial: Trial) -> GateReport:
    """Runs the configured searches, and one by words for each sampled item."""
    failures: list[str] = []
    for probe in trial.thresholds.probes:
        trial.go_on()
        failures += _wrong_answer(trial.candidate, probe)
    texts = 0
    for target in sampled_items(trial.candidate, trial.thresholds.sample):
        trial.go_on()
        reader = trial.candidate.segments[target.segment].reader
        text = reader.items["text"][target.row].as_py()
        if not text:
            continue
        texts += 1
        if not contains_words(trial.candidate, target, text):
            failures.append(f"item {reader.ids([target.row])[0]!r} is not found by its own words {_shown(text)}")
    probes = len(trial.thresholds.probes)
    return gate_report(
        "functional",
        f"{probes} configured searches and {texts} by an item's own words, {len(failures)} answered wrongly",
        {"probes": probes, "texts": texts, "wrong": len(failures)},
        failures,
        passed=not failures,
    )


def _wrong_answer(search: GenerationSearch, probe: ProbeQuery) -> list[str]:
    if probe.item is not None:
        query = f"near item {probe.item!r}"
        answer = _neighbours(search, probe, probe.item)
    else:
        query = f"words {_shown(probe.text or '')}"
        answer = search_words(search, probe.text or "", probe.k)
    if isinstance(answer, str):
        return [f"{query}: {answer}"]
    lacking = [item_id for item_id in probe.expect if item_id not in answer]
    if not lacking:
        return []
    came = ", ".join(answer) or "nothing"
    return [f"{query}: {', '.join(lacking)} not among the first {probe.k}, which are {came}"]


def _neighbours(search: GenerationSearch, probe: ProbeQuery, item_id: str) -> list[str] | str:
    """Ids of the items nearest to an item's own vector, itself included; or why there are none."""
    current = current_versions(search.segments, [item_id])
    if current.rows[0] < 0:
        return "there is no such item"
    position, row = int(current.segments[0]), int(current.rows[0])
    names = [column.name for column in search.schema.vectors]
    if probe.field is not None and probe.field not in names:
        return f"there is no vector field {probe.field!r}, but {', '.join(names)}"
    for field in names if probe.field is None else [probe.field]:
        target = _first_vector(search, field, position, row)
        if target is None:
            continue
        per_object = search.schema.vector(field).per_object
        depth = probe.k * _OBJECTS_PER_ITEM if per_object else probe.k
        (found,) = search.search(field, search.matrix(field, [target]), depth)
        return list(dict.fromkeys(search.item_id(field, hit.target) for hit in found))[: probe.k]
    return "it has no vector to search with"


def _first_vector(search: GenerationSearch, field: str, position: int, row: int) -> Target | None:
    """The vector of an item, of its first object for object fields; None if it has none."""
    reader = search.segments[position].reader
    if search.schema.vector(field).per_object:
        first, end = reader.object_offsets[row : row + 2].tolist()
        if first == end:
            return None
        row = first
    return Target(position, row) if reader.vector(field, row) is not None else None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")
