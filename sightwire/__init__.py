"""Sightwire: self-hosted, event-driven search for images and text.

This package holds what every service shares and what a client installs: contracts, bus, telemetry, settings, blobs,
security, the Python client and the `sightwire` command.
"""

__version__ = "0.1.0"
