"""Carries runs on: stores what happens to them, sends orders, hears results, and does so in one process at a time."""
