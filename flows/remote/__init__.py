"""Several machines: artifacts travel through DVC's remote, records and locks through a git branch."""
