"""Training runs as jobs: requested on the bus, each carried out in a process of its own."""
