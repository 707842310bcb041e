"""Graphs of a fixed batch answer for any number of rows."""

import numpy as np
import pytest

from sightwire.bundles.inference import limited


class Doubling:
    """A graph that takes at most three rows."""

    def __init__(self):
        self.calls = []

    def run(self, inputs):
        rows = inputs["rows"]
        self.calls.append(len(rows))
        assert len(rows) <= 3
        return [2 * rows, rows.sum(axis=1)]


@pytest.mark.parametrize(("rows", "calls"), [(1, [1]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])])
def test_calls_are_cut_and_their_outputs_joined(rows, calls):
    graph, given = Doubling(), np.arange(rows * 2).reshape(rows, 2)
    doubled, sums = limited(graph, 3).run({"rows": given})
    assert graph.calls == calls
    np.testing.assert_array_equal(doubled, 2 * given)
    np.testing.assert_array_equal(sums, given.sum(axis=1))


def test_graphs_without_a_limit_are_left_alone():
    graph = Doubling()
    assert limited(graph, None) is graph
