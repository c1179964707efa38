"""Gates: is this video good enough to spend hours on?  A measured number, thresholds and a verdict for each concept."""
