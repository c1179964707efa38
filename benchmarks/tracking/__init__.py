"""Parts of the track benchmark: a rendered head with known motion, real clips, cost."""
