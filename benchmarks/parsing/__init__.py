"""The parts of ``python -m benchmarks masks``."""
