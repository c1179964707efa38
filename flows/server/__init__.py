"""A Prefect server that stays: on PostgreSQL, with the work pool, the deployments and the limits of this project."""
