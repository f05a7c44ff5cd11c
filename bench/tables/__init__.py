"""Printed tables: text, LaTeX, terminal."""
