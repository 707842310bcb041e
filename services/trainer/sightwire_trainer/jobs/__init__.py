"""Training as a service: requests from the bus, progress, cancellation, restarts."""
