"""Rows as pages for people."""
