"""A network as named operators with shapes: what every walk over it walks; no torch."""
