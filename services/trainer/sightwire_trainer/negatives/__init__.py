"""Hard negatives: which wrong answers come nearest to each sample, and who is asked for them."""
