"""Model files for devices, one format a file."""
