"""The registry of models: versions and their files, aliases, what differs between two, where each comes from."""
