"""Batches drawn while the GPU works on the ones before them.

Drawing reads label maps on the processor (20 ms a step of 32 frames at 512 pixels), longer than such a step should
take a GPU.  A batch depends on (seed, step) alone, so who draws it and when changes nothing.
"""

from concurrent.futures import Future, ThreadPoolExecutor

from models.nerf.sampling import RayBatch, RaySampler

THREADS, AHEAD = 4, 8


class DrawnAhead:
    """``draw`` of a sampler, the next AHEAD steps being drawn on THREADS threads meanwhile."""

    def __init__(self, sampler: RaySampler):
        self.sampler = sampler
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="draw")
        self._drawn: dict[tuple[int, int], Future[RayBatch]] = {}

    def draw(self, step: int, frames: int) -> RayBatch:
        """As ``RaySampler.draw``, whose errors it raises."""
        wanted = [(later, frames) for later in range(step, step + AHEAD + 1)]
        for key in self._drawn.keys() - set(wanted):
            self._drawn.pop(key).cancel()
        for key in wanted:
            if key not in self._drawn:
                self._drawn[key] = self._pool.submit(self.sampler.draw, *key)
        return self._drawn.pop(wanted[0]).result()

    def close(self) -> None:
        """End the threads; what they read may go away after this."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._drawn.clear()
