"""Results of tasks that need not be computed again."""
