"""Training of the built-in networks."""
