"""Servers of language models that speak the OpenAI protocol."""
