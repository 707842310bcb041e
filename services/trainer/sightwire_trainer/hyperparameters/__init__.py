"""Searches for the best configuration, with Optuna."""
