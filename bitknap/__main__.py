"""``python -m bitknap``."""

from .cli import main

main()
