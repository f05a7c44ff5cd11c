"""Measures of solvers, computed from records and never stored: one idea a file."""
