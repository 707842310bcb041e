"""The public door of Sightwire: REST, server-sent events and the compatible search routes."""
