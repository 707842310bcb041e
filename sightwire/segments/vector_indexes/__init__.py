"""Kinds of approximate indexes over the vectors of a field.

Each kind is one module that builds, opens and searches its own file behind the `ApproximateIndex` protocol. The whole
vectors stay in the field's vectors file, mapped, whatever the kind: a quantised kind finds candidates by its codes and
compares them again with the whole vectors, so the distances that a search returns are exact for every kind.
"""
