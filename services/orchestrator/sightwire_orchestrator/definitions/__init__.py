"""Definitions of pipelines: read with every fault found, referred to, conditioned, ordered, drawn."""
