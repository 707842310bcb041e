"""The blocking client."""

from sightwire.client.synchronous.client import Sightwire

__all__ = ["Sightwire"]
