"""Devices and servers that stand in for real ones in tests; not in the wheel."""
