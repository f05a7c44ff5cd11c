"""Chunks of finished work, what they cost, and the processes that share it."""
