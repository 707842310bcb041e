"""Long tuples in pages, so that replacing one value copies a page and the list of pages, not everything."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, TypeVar

T = TypeVar("T")

#: Every page but the last is full.
Pages = tuple[tuple[T, ...], ...]

PAGE_LENGTH: Final = 128


def paged(values: Iterable[T]) -> Pages[T]:
    """The values in pages."""
    everything = tuple(values)
    return tuple(everything[start : start + PAGE_LENGTH] for start in range(0, len(everything), PAGE_LENGTH))


def values_in(pages: Pages[T]) -> Iterator[T]:
    """The values in their order."""
    return chain.from_iterable(pages)


def length_of(pages: Pages[T]) -> int:
    """How many values there are."""
    return (len(pages) - 1) * PAGE_LENGTH + len(pages[-1]) if pages else 0


def value_at(pages: Pages[T], index: int) -> T:
    """The value at `index`."""
    return pages[index // PAGE_LENGTH][index % PAGE_LENGTH]


def with_value(pages: Pages[T], index: int, value: T) -> Pages[T]:
    """With `value` at `index`, which may be one past the end."""
    number, place = divmod(index, PAGE_LENGTH)
    if number == len(pages):
        assert place == 0, f"expected an index up to {length_of(pages)}, got {index}"
        return (*pages, (value,))
    page = pages[number]
    assert place <= len(page), f"expected an index up to {length_of(pages)}, got {index}"
    return (*pages[:number], (*page[:place], value, *page[place + 1 :]), *pages[number + 1 :])
