"""Triton as the engine that runs a bundle's models: its model repository made of a bundle, and calls to its models."""
