"""One thread for every test: with a busy neighbour two are up to 40 times slower."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
