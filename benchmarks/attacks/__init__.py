"""Families of attacks for ``benchmarks/attack.py``: each makes what is hostile, hands it over, and counts what went wrong."""
