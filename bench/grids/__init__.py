"""A grid's TOML file: what it may hold, what ``--set`` says over it, and the cells that it expands into."""
