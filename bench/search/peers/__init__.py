"""Other people's engines. Their packages are in a virtual environment of their own: see `installing`."""
