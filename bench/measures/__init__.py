"""Measures of solvers, computed from records and never stored: one measure per file."""
