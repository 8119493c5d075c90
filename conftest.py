"""What holds for every test: one thread, and no limit of time.

More threads would have the workers of a parallel run wait for each other's cores. Hypothesis fails an example
that takes 200 ms and examples that are slow to draw, which on a busy machine is no fault of the code.
"""

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
