"""Where training pairs come from, what is left out of them, and how they become batches."""
