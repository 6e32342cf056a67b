"""Sourced tables of accelerators, formats, engines, models and prices."""
