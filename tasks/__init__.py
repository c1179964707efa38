"""What is done: one module per stage, the artifacts they exchange, and what several stages share."""

import os

# Read by the OpenMP runtime when torch loads it, hence here, before any stage's imports.  By default its threads
# spin while they wait for one another; as soon as anything else wants a core (the next stage, a browser) spinning
# threads keep the working one from running: measured, a nerf step of 60 ms became 1.6 s.  Passive waiting sleeps.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# The same for numpy's and scipy's linear algebra: it is called on small blocks here, hundreds of times a second, and at
# every call its threads spin while they wait for one another; a fit of 10 s took 7 minutes beside another one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
