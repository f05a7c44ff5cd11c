"""Architectures of the built-in workloads, one family per file."""
