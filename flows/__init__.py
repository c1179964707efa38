"""When the pipeline runs: Prefect flows, the bridge that runs DVC stages, and the ``erlnet`` command."""

from flows.environment import set_defaults

set_defaults()  # before anything below this package imports prefect, which reads its settings on import
