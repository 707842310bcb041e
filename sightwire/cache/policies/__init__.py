"""Which entry goes when the memory level is full: one policy a module, pure bookkeeping over keys and sizes."""
