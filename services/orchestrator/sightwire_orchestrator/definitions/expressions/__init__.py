"""Expressions in CEL, the Common Expression Language (cel.dev), about values of JSON.

Written for this service and not taken from a library, because those at hand hold the interpreter for as long as an
expression likes: here each step costs something, and an expression that costs too much is ended. What JSON has no
values for (bytes, unsigned numbers, timestamps, durations, protobuf messages) is left out; and as JSON does not tell 1
from 1.0, whole numbers and others may meet in arithmetic. All else is as the specification has it.
"""
