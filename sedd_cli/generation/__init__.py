"""Requests, the stream of steps that runs them, and the traces that record them."""
