"""The control plane: pipelines, model registry, reviews, alerts."""
