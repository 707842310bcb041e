"""The order in which several processes take files of tests."""

from pathlib import Path

from tests.plugin.side_by_side import spread

TESTS = Path(__file__).parents[1]


def test_files_that_start_platforms_are_spread_and_come_before_the_end() -> None:
    platforms = [TESTS / "e2e" / f"test_{name}.py" for name in "abc"]
    others = [TESTS / "unit" / f"test_{number}.py" for number in range(9)]
    order = spread([*platforms, *others])
    taken = sorted(order, key=lambda file: order[file])
    assert "".join("P" if file in platforms else "." for file in taken) == "P...P..P...."
    assert [file for file in taken if file in platforms] == platforms
    assert [file for file in taken if file in others] == others


def test_any_choice_of_files_has_an_order() -> None:
    for files in ([], [TESTS / "e2e" / "test_a.py"], [TESTS / "unit" / "test_a.py"]):
        assert list(spread(files)) == files
