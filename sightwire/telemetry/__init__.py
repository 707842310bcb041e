"""Traces, metrics and logs. With telemetry off, or its receiver down, nothing breaks and next to nothing is spent."""
