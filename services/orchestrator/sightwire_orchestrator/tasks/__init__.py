"""What tasks do: handlers by type, and what they need. Nothing here knows the bus that orders come from."""
