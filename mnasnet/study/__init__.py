"""What was tried: trials in an Optuna study, the reward made of them, and their front."""
