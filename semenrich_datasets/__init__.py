"""Adds to each radiology report the normal findings that its author left out."""
