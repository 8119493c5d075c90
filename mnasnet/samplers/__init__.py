"""Who chooses: Optuna samplers, the paper's PPO controller among them."""
