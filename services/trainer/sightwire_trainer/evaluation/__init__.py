"""How well a model finds: ranking measures with intervals, and comparisons of two models."""
