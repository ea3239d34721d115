"""Benchmarks: one file each, run by ./dev bench NAME."""
