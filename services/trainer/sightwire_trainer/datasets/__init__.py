"""Builds the datasets that the default model is trained and measured on."""
