"""Figures: one file each, drawn without global state."""
