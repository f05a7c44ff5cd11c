"""Sections of the page that compares two folders."""
