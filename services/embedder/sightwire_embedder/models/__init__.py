"""The models that an embedder serves at once: the bundle that it was started with, and all that the bus wants."""
