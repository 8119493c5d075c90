"""What a network is, as plain frozen data; no torch."""
