"""MnasNet: platform-aware neural architecture search for mobile, from your images and a latency target."""

__version__ = "0.1.0"
