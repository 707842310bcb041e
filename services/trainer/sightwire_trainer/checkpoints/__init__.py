"""Checkpoints: the whole state of a run in a folder, written so that a crash at any moment leaves a usable one."""
