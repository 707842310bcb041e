"""How a run goes on: decided by pure functions, without a clock, without randomness, without input or output."""
