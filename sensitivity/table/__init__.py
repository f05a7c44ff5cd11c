"""The sensitivity table: items, costs, provenance, files."""
