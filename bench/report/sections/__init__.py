"""Sections of the page of one folder."""
