"""What came out: one HTML page, read from the study."""
