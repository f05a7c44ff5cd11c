"""Architectures of the built-in workloads, one family a file."""
