"""The client whose methods are coroutines; the same as the blocking one otherwise."""

from sightwire.client.asynchronous.client import AsyncSightwire

__all__ = ["AsyncSightwire"]
