"""What a network or a file costs somewhere: its latency on a device, or what a calibrated table predicts."""
