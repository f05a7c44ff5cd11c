"""``python -m bitknap``."""

from bitknap.cli import main

main()
