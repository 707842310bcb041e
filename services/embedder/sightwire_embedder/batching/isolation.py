"""A batch call in which an input that cannot be processed fails alone."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sightwire.errors import UnavailableError

Input = TypeVar("Input")
Output = TypeVar("Output")


def call_isolated(
    call: Callable[[Sequence[Input]], Sequence[Output | Exception]], inputs: Sequence[Input]
) -> list[Output | Exception]:
    """For each input its output or its error.

    A call that raises is repeated with each half, so that one poisonous input of n costs 2 log2 n calls more and its
    neighbours get their outputs. Where the model cannot be reached, that is the error of all of them at once.
    """
    try:
        outputs = list(call(inputs))
        if len(outputs) != len(inputs):
            raise RuntimeError(f"the model answered {len(outputs)} outputs for {len(inputs)} inputs")
        return outputs
    except UnavailableError as error:
        return [error] * len(inputs)
    except Exception as error:
        if len(inputs) == 1:
            return [error]
    middle = len(inputs) // 2
    return call_isolated(call, inputs[:middle]) + call_isolated(call, inputs[middle:])
