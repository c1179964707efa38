"""Measurements behind docs/results.md: ``make bench`` or ``python -m benchmarks [NAME]``."""
