"""Kinds of layer whose output is linear in a weight, one file each."""
