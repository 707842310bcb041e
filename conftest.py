"""Loads the fixtures shared by all tests, those of the services included."""

pytest_plugins = ["tests.plugin.nats", "tests.plugin.platform", "tests.plugin.waiting"]
