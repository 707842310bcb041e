"""Searching for hyperparameters of training, and of indexes, with Optuna."""
