"""One thread for every test: the workers of a parallel run would otherwise wait for each other's cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
