"""The loop of the paper: sample, measure, train, reward, update; then the finalists."""
