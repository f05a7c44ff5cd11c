"""Documents whose figures and consoles are made by commands."""
