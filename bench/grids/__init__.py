"""A grid's TOML file: its keys, the values that ``--set`` replaces, and the cells that it expands into."""
