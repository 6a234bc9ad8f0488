"""Benchmarks: ratios, measured in one run on one machine. Run by `make bench-*`, never as tests.

What a newcomer would get wrong: the absolute figures of a shared machine mean little. What is asked for, and compared
over time, is each figure against another one of the same run.
"""
