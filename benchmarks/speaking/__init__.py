"""Parts of ``python -m benchmarks adf``: what a trained ADF does with sound of every kind."""
