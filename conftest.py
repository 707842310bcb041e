"""Loads the fixtures shared by all tests, those of the services included."""

pytest_plugins = [
    "tests.plugin.waiting",
    "tests.plugin.bus",
    "tests.plugin.command_line",
    "tests.plugin.nats",
    "tests.plugin.otlp",
    "tests.plugin.platform",
    "tests.plugin.cache_server",
    "tests.plugin.s3_server",
    "tests.plugin.side_by_side",
]
