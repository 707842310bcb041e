"""Generated from proto/sightwire/v1 by `make proto`; do not edit."""
