"""Builds a generation anew from the vectors that the live one holds."""
