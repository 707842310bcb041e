"""What surrounds every service: health, the operations endpoints, signals and draining."""
