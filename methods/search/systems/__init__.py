"""Indexes that a database engine holds, in this process or in a server: a file for each engine."""
