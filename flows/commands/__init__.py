"""The commands of ``erlnet``, one module a group; ``flows/cli.py`` lists them all."""
