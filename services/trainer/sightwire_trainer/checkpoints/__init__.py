"""The state of a training run on disk: written atomically, complete enough to go on with the same weights."""
