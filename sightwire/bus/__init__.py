"""The bus: connection, topology, publishing, dead letters and the key-value registries on NATS JetStream."""
