"""The solvers, one method per file."""
