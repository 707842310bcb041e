"""Where a run's progress goes: a terminal, TensorBoard, a log of JSON lines."""
