"""Long work on an index, asked for from outside: one at a time, recorded, and gone on with after a crash."""
