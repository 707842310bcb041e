"""Asks people when a person must decide. Pure modules say who and when; the desk stores, tells and keeps at it."""
