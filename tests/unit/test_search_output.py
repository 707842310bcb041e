"""`sightwire search`: what it prints for people, and the options that do not go together."""

import pytest
from typer.testing import CliRunner

from sightwire.cli.main import app
from sightwire.cli.search_output import facet_rows, hit_row, print_results
from sightwire.client import Hit, SearchResults

RESULTS = SearchResults.model_validate(
    {
        "hits": [
            {
                "id": "a",
                "score": 1.5,
                "item": {"text": "a red [b] shoe"},
                "group": "north",
                "highlights": [{"part": "text", "excerpt": "a red shoe", "ranges": [[2, 5], [6, 10]], "marked": ""}],
            },
            {"id": "b", "score": 0.25, "item": {"text": "x" * 100}, "group": None},
        ],
        "facets": {"shop": {"values": [{"value": "north", "count": 3}], "others": 2, "missing": 1}, "sold": {}},
        "next_cursor": "more-of-it",
    }
)


def test_excerpts_replace_the_text_and_mark_words() -> None:
    assert hit_row(RESULTS.hits[0], grouped=True) == ("north", "1.5000", "a", r"a \[red] \[shoe]", "")


def test_hits_without_a_group_or_excerpt_show_their_text() -> None:
    group, _, _, text, _ = hit_row(RESULTS.hits[1], grouped=True)
    assert group == "(none)"
    assert text == "x" * 79 + "…"
    assert len(hit_row(Hit(id="a", score=1.0), grouped=False)) == 4


def test_facets_end_with_what_is_not_listed() -> None:
    assert list(facet_rows(RESULTS)) == [("shop", "north", 3), ("shop", "(others)", 2), ("shop", "(none)", 1)]


def test_everything_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_results(RESULTS, grouped=True)
    printed = capsys.readouterr().out
    for part in ("facet", "(others)", "more: --cursor more-of-it"):
        assert part in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected exactly one of TEXT"),
        (["cat", "--item", "a"], "expected exactly one of TEXT"),
        (["--full-text"], "expected TEXT"),
        (["--hybrid", "--item", "a"], "expected TEXT"),
        (["cat", "--hybrid", "--full-text"], "leave --full-text out"),
        (["cat", "--highlight"], "--full-text or --hybrid too"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], message: str) -> None:
    answer = CliRunner().invoke(app, ["search", *arguments], env={"COLUMNS": "200"})
    assert answer.exit_code == 2
    assert message in " ".join(answer.output.split())
