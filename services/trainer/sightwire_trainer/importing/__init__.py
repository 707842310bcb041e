"""Makes model bundles of models that were trained elsewhere."""
