"""Runs what DVC says is stale, as Prefect tasks.  DVC owns the graph; nothing here repeats it."""
