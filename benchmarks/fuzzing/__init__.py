"""Parts of the fuzz benchmark: damaged files, and what becomes of one."""
