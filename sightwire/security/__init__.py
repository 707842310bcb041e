"""Doors closed by default: where a service may bind, who may ask, and which URLs may be fetched for a user."""
