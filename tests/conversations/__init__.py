"""Whole conversations over the wire."""
