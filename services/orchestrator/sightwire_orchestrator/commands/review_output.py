"""What `sightwire reviews` and `sightwire reviewers` print."""

from collections.abc import Iterable
from typing import Any

import orjson
import typer

from sightwire.cli.output import print_members, print_table, time_text
from sightwire.contracts.review_control import ReviewDetails, ReviewSummary
from sightwire.contracts.reviews import AuditEntry, Reviewer, ReviewFigures, ReviewStatistics

REVIEW_COLUMNS = ("review", "status", "reviewer", "priority", "asked", "deadline", "decision", "instructions")
REVIEWER_COLUMNS = ("reviewer", "name", "email", "specializations", "at most", "active", "revision")
FIGURE_COLUMNS = ("of", "decided", "in time", "late", "withdrawn", "open", "open late", "median hours")

_SECONDS_AN_HOUR = 3600.0


def review_row(review: ReviewSummary) -> list[Any]:
    """A review in a list."""
    return [
        review.id,
        review.status,
        review.reviewer,
        review.priority,
        time_text(review.asked_at),
        time_text(review.deadline),
        review.decision,
        review.instructions,
    ]


def print_details(details: ReviewDetails) -> None:
    """A review, its data and its trail."""
    review = details.review
    print_members(
        {
            "review": review.id,
            "run": f"{review.run}, task {review.task_name} of {review.pipeline}",
            "status": str(review.status),
            "reviewer": review.reviewer,
            "priority": review.priority,
            "specialization": review.specialization,
            "asked": time_text(review.asked_at),
            "deadline": time_text(review.deadline),
            "instructions": review.instructions,
            "last comment": review.last_comment,
            "decision": review.decision and review.decision.decision,
            "comment": review.decision and review.decision.comment,
        }
    )
    typer.echo(orjson.dumps(review.input_data, option=orjson.OPT_INDENT_2).decode())
    typer.echo()
    print_table(("act", "when", "by", "from", "what"), map(_act_row, details.trail))


def reviewer_row(reviewer: Reviewer) -> list[Any]:
    """A reviewer in a list."""
    return [
        reviewer.id,
        reviewer.name,
        reviewer.email,
        ", ".join(sorted(reviewer.specializations)),
        reviewer.max_concurrent_reviews,
        "yes" if reviewer.is_active else "no",
        reviewer.revision,
    ]


def figure_rows(statistics: ReviewStatistics) -> Iterable[list[Any]]:
    """Rows of all reviews, of each reviewer, and of each specialization."""
    yield _figure_row("all", statistics.total)
    for reviewer, figures in statistics.by_reviewer.items():
        yield _figure_row(f"reviewer {reviewer}", figures)
    for specialization, figures in statistics.by_specialization.items():
        if specialization:
            yield _figure_row(f"specialization {specialization}", figures)


def _figure_row(of: str, figures: ReviewFigures) -> list[Any]:
    seconds = figures.median_seconds_to_decision
    return [
        of,
        figures.decided,
        figures.decided_in_time,
        figures.decided_late,
        figures.withdrawn,
        figures.open,
        figures.open_late,
        None if seconds is None else f"{seconds / _SECONDS_AN_HOUR:.2f}",
    ]


def _act_row(entry: AuditEntry) -> list[Any]:
    said = entry.act.model_dump(mode="json", exclude={"kind"}, exclude_none=True)
    what = f"{entry.act.kind} {orjson.dumps(said).decode()}" if said else entry.act.kind
    return [entry.sequence, time_text(entry.at), entry.actor.name, entry.actor.origin, what]
