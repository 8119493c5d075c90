"""Quantities with unit, direction, interval and conditions; limits on them, and rewards made of them; no torch."""
