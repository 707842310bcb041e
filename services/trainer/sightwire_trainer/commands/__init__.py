"""Commands of `sightwire` that the trainer adds; what is heavy is imported only when they run."""
