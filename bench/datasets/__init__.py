"""Data of the built-in workloads: found, downloaded, checked."""
