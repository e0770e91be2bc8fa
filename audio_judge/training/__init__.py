"""How judges are trained: SFT, GRPO, ALLD."""
