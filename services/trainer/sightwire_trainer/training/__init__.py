"""The training loop and what it consists of: schedule, precision, averaging, distribution, progress."""
