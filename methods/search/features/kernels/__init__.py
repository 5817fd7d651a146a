"""Compiled kernels on feature rows; `methods.search.features.kernels.entry` names those that Python calls.

They are the exact scan, and re-ranking that reads as few bytes as it can. Re-ranking waits for memory: a row of 512
float32 is 2 KiB at a random place. The smaller rows of `methods.search.features.kernels.int8` carry a bound on what
they leave out, so that the result is that of the float32 rows and few of these are read.
"""
