"""Running the whole platform on one machine: the NATS server's launcher and the process supervisor."""
