"""How a network learns: image data, augmentation, optimizer, one loop, checkpoints."""
