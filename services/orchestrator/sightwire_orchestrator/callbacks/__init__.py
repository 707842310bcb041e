"""Tells people and other systems: signed webhooks, and e-mail."""
