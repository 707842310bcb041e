"""Commands that this distribution adds to `sightwire`."""
