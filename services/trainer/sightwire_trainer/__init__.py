"""Trains image-text and text-text dual encoders, measures them, and makes model bundles of them."""
