"""The `sightwire` command. Each module is one command or one group of commands."""
