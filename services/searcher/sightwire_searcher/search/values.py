"""Metadata values as the contract carries them."""

from datetime import datetime

from sightwire.v1 import searcher_pb2


def value_message(value: object) -> searcher_pb2.Value:
    """`value`, which is a string, an integer, a number, a boolean or a datetime, as a message."""
    message = searcher_pb2.Value()
    match value:
        case bool():
            message.boolean_value = value
        case int():
            message.integer_value = value
        case float():
            message.float_value = value
        case datetime():
            message.datetime_value.FromDatetime(value)
        case str():
            message.string_value = value
        case _:
            raise AssertionError(f"no metadata value is a {type(value).__name__}")
    return message
