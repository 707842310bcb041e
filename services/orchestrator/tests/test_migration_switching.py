"""What happens to a users' record while its collection moves, and what is done about migrations that nobody minds."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sightwire_orchestrator.migrations import switching
from sightwire_orchestrator.migrations.keeping import Step, next_step
from sightwire_orchestrator.migrations.shadow_records import shadow_name, shadow_record
from sightwire_orchestrator.migrations.switch_over import migration_to_undo

from services.orchestrator.tests.made_migrations import FIELDS, NOW, migration, users_record
from sightwire.contracts.collections import Canary, CollectionRecord
from sightwire.contracts.migrations import MigrationState
from sightwire.errors import ConflictError, InvalidInputError
from sightwire.v1 import embedder_pb2

MODEL = embedder_pb2.DescribeModelResponse(
    name="new", version="2", space="new-2", dimension=16, class_names=["cat", "dog"]
)
CANARY = Canary(shadow="photos--1", share=0.1)


@given(st.from_regex(r"^[a-z](?:-?[a-z0-9_])*\Z").filter(lambda name: len(name) <= 63), st.text(max_size=30))
def test_a_shadow_has_one_name_for_a_run_which_is_no_users_name(collection: str, run: str):
    name = shadow_name(collection, run)
    assert name == shadow_name(collection, run)
    assert name != shadow_name(collection, run + "x")
    assert "--" in name
    assert len(name) <= 63


def test_a_shadow_has_the_models_space_and_the_users_own_fields():
    shadow = shadow_record(users_record(), MODEL, name="photos--1", now=NOW)
    assert (shadow.name, shadow.shadow_of, shadow.space) == ("photos--1", "photos", "new-2")
    assert {name: shadow.dimension(name) for name in FIELDS} == {"image": 16, "text": 16, "own": 3}
    assert shadow.class_names == ("cat", "dog")
    assert shadow.uid != users_record().uid


def test_a_model_that_cannot_serve_a_collection_is_refused():
    own = {"own": {"source": "user", "dimension": 3}}
    with pytest.raises(InvalidInputError, match="the user's own"):
        shadow_record(users_record(fields=own), MODEL, name="photos--1", now=NOW)
    blind = embedder_pb2.DescribeModelResponse(name="new", version="2", space="new-2", dimension=16)
    objects = {"object": {"source": "object", "dimension": 8}}
    with pytest.raises(InvalidInputError, match="no detector"):
        shadow_record(users_record(fields=objects), blind, name="photos--1", now=NOW)


def test_one_migration_at_a_time_beside_copies_that_are_only_kept():
    users = users_record(shadows=("photos--0",), answering="photos--0")
    begun = switching.with_shadow(users, "photos--1", source="photos--0", kept={"photos"})
    assert begun.shadows == ("photos--0", "photos--1")
    assert switching.with_shadow(begun, "photos--1", source="photos--0", kept=()) == begun
    with pytest.raises(ConflictError, match="already"):
        switching.with_shadow(begun, "photos--2", source="photos--0", kept=())
    with pytest.raises(ConflictError, match="by now"):
        switching.with_shadow(users, "photos--1", source="photos", kept=())
    rolled_back = users_record(shadows=("photos--0",))
    after = switching.with_shadow(rolled_back, "photos--1", source="photos", kept={"photos--0"})
    assert after.shadows == ("photos--0", "photos--1")


def test_promotion_ends_the_canary_and_rollback_undoes_it():
    users = switching.with_canary(users_record(shadows=("photos--1",)), CANARY, source="photos")
    assert users.canary == CANARY
    answering = switching.promoted(users, "photos--1", source="photos")
    assert (answering.index_name, answering.canary) == ("photos--1", None)
    assert switching.promoted(answering, "photos--1", source="photos") == answering
    back = switching.rolled_back(answering, "photos--1", source="photos")
    assert (back.index_name, back.answering) == ("photos", None)
    assert switching.rolled_back(back, "photos--1", source="photos") == back


@pytest.mark.parametrize(
    "change",
    [
        lambda record: switching.promoted(record, "photos--9", source="photos"),
        lambda record: switching.promoted(record, "photos--1", source="photos--0"),
        lambda record: switching.with_canary(record, Canary(shadow="photos--9", share=1), source="photos"),
        lambda record: switching.rolled_back(record, "photos--1", source="photos--0"),
        switching.without_own_index,
    ],
)
def test_what_does_not_fit_any_more_is_refused(change: Any):
    with pytest.raises(ConflictError):
        change(users_record(shadows=("photos--1",)))


def test_there_is_no_way_back_to_an_index_that_was_given_up():
    answering = users_record(shadows=("photos--1",), answering="photos--1")
    with pytest.raises(ConflictError, match="gone"):
        switching.rolled_back(switching.without_own_index(answering), "photos--1", source="photos")


STATES = st.lists(
    st.sampled_from(["begin", "canary", "end canary", "promote", "roll back", "give up", "abandon"]), max_size=30
)


@given(STATES)
def test_whatever_is_done_in_whatever_order_a_copy_with_all_items_answers(acts: list[str]):
    record, number, source = users_record(), 0, "photos"
    for act in acts:
        shadow = f"photos--{number}"
        try:
            match act:
                case "begin":
                    number, source = number + 1, record.index_name
                    record = switching.with_shadow(record, f"photos--{number}", source=source, kept=record.shadows)
                case "canary":
                    record = switching.with_canary(record, Canary(shadow=shadow, share=0.5), source=source)
                case "end canary":
                    record = switching.without_canary(record, shadow)
                case "promote":
                    record = switching.promoted(record, shadow, source=source)
                case "roll back":
                    record = switching.rolled_back(record, shadow, source=source)
                case "give up":
                    record = switching.without_own_index(record)
                case "abandon" if record.answering != shadow:
                    record = _left(record, shadow)
        except ConflictError:
            continue
        finally:
            assert record.index_name in record.copies
            assert record.canary is None or record.canary.shadow in record.shadows


def _left(record: CollectionRecord, shadow: str) -> CollectionRecord:
    """As `CollectionRegistry.delete` does."""
    others = tuple(other for other in record.shadows if other != shadow)
    return switching.without_canary(record, shadow).model_copy(update={"shadows": others})


RUNNING, PROMOTED = MigrationState.RUNNING, MigrationState.PROMOTED
ABANDONED, ROLLED_BACK = MigrationState.ABANDONED, MigrationState.ROLLED_BACK
ANSWERING = {"shadows": ("photos--1",), "answering": "photos--1"}
HAS_SHADOW = {"shadows": ("photos--1",)}
LATER, EARLIER = NOW + timedelta(hours=1), NOW - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("of_migration", "of_users", "shadow_exists", "run_ended", "step"),
    [
        ({"state": RUNNING}, HAS_SHADOW, True, False, Step.NOTHING),
        ({"state": RUNNING}, ANSWERING, True, False, Step.NOTHING),
        ({"state": RUNNING}, HAS_SHADOW, True, True, Step.ABANDON),
        ({"state": RUNNING}, {}, False, True, Step.ABANDON),
        ({"state": RUNNING}, ANSWERING, True, True, Step.MARK_PROMOTED),
        ({"state": RUNNING}, {"uid": "u2"}, True, False, Step.DROP_SHADOW),
        ({"state": RUNNING}, {"uid": "u2"}, False, False, Step.FORGET),
        ({"state": RUNNING}, None, True, True, Step.DROP_SHADOW),
        ({"state": PROMOTED}, None, False, True, Step.FORGET),
        ({"state": ABANDONED}, {}, True, True, Step.DROP_SHADOW),
        ({"state": ABANDONED}, ANSWERING, True, True, Step.MARK_PROMOTED),
        ({"state": ABANDONED, "ended_at": EARLIER}, {}, False, True, Step.NOTHING),
        ({"state": ABANDONED, "ended_at": NOW - timedelta(days=91)}, {}, False, True, Step.FORGET),
        ({"state": PROMOTED, "keep_until": LATER}, ANSWERING, True, True, Step.NOTHING),
        ({"state": PROMOTED, "keep_until": EARLIER}, ANSWERING, True, True, Step.RETIRE),
        ({"state": PROMOTED, "keep_until": EARLIER}, HAS_SHADOW, True, True, Step.MARK_ROLLED_BACK),
        ({"state": PROMOTED, "retired_at": EARLIER}, ANSWERING | {"has_index": False}, True, True, Step.NOTHING),
        ({"state": ROLLED_BACK, "keep_until": LATER}, HAS_SHADOW, True, True, Step.NOTHING),
        ({"state": ROLLED_BACK, "keep_until": EARLIER}, HAS_SHADOW, True, True, Step.RETIRE),
        ({"state": ROLLED_BACK, "keep_until": EARLIER}, ANSWERING, True, True, Step.NOTHING),
        ({"state": ROLLED_BACK, "retired_at": EARLIER}, {}, False, True, Step.NOTHING),
    ],
)
def test_what_is_done_about_a_migration(
    of_migration: dict[str, Any], of_users: dict[str, Any] | None, shadow_exists: bool, run_ended: bool, step: Step
):
    users = None if of_users is None else users_record(**of_users)
    found = next_step(migration(**of_migration), users, shadow_exists=shadow_exists, run_ended=run_ended, now=NOW)
    assert found is step


def test_the_last_promotion_is_undone_first_and_then_the_one_before_it():
    first = migration(state=PROMOTED)
    second = migration(state=PROMOTED, shadow="photos--2", source="photos--1", run="r2")
    known = [second, first]
    assert migration_to_undo(known, uid="u1", answering="photos--2") == second
    assert migration_to_undo(known, uid="u1", answering="photos--1") == first
    assert migration_to_undo(known, uid="u1", answering="photos") is None
    assert migration_to_undo(known, uid="u2", answering="photos--2") is None
    retired = first.model_copy(update={"retired_at": NOW})
    assert migration_to_undo([second, retired], uid="u1", answering="photos--1") is None
