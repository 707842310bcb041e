"""Comparisons of whole columns with constants, as bool arrays [rows] in which absent values are false."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]

#: Compares an Arrow array of plain values with constants, null for null.
ArrayTest = Callable[[Any], Any]


def rows_where(column: Any, test: ArrayTest) -> Mask:
    """Where `test` holds for the value of a row; for a column of lists, for one of its elements."""
    if pa.types.is_list(column.type):
        return rows_with_element(column, _values_where(column.values, test))
    return _values_where(column, test)


def has_value(column: Any) -> Mask:
    """Where a row has a value; an empty list is one."""
    return truth(column.is_valid())


def rows_with_element(lists: Any, matching: Mask) -> Mask:
    """Rows of a list column with at least one matching element.

    Args:
        matching: bool [elements of all lists].
    """
    offsets = lists.offsets.to_numpy()
    matching_before = np.zeros(len(matching) + 1, dtype=np.int64)
    np.cumsum(matching, out=matching_before[1:])
    boundaries = matching_before[offsets]
    found: Mask = boundaries[1:] > boundaries[:-1]
    return found & has_value(lists) if lists.null_count else found


def elements_equal_to_any(lists: Any, values: list[str]) -> Mask:
    """Elements of a column of lists of strings that are one of `values`; bool [elements]."""
    return _values_where(lists.values, lambda strings: pc.is_in(strings, value_set=pa.array(values, type=pa.string())))


def list_elements(lists: Any) -> npt.NDArray[Any]:
    """The numbers in all lists of a column, one list after the other; [elements]."""
    elements: npt.NDArray[Any] = lists.values.to_numpy()
    return elements


def truth(answers: Any) -> Mask:
    """An Arrow boolean array as a mask, null being false."""
    mask: Mask = answers.fill_null(False).to_numpy(zero_copy_only=False)
    return mask


def _values_where(column: Any, test: ArrayTest) -> Mask:
    if not pa.types.is_dictionary(column.type):
        return truth(test(column))
    # Each distinct value is compared once; the extra entry answers for nulls.
    distinct = truth(test(column.dictionary))
    answer_by_code = np.append(distinct, False)
    codes = column.indices
    if codes.null_count:
        codes = codes.fill_null(len(distinct))
    answers: Mask = answer_by_code[codes.to_numpy()]
    return answers
