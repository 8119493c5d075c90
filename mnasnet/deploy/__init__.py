"""From a trained network to a model file that a device runs, checked against the network."""
