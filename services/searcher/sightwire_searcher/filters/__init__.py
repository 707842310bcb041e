"""Filters of a query: checked against the collection, then turned into masks over the rows of a segment.

`checking` refuses what does not fit; `item_masks` and `object_masks` evaluate a tree over a segment's columns;
`pruning` tells from a segment's time range alone whether the tree can hold at all.
"""
