"""A collection's move to another model: its shadow, what fills it, what judges it, and the switch."""
