"""Read-only search replicas with hot reload."""
