"""General ability that an edited model has kept, measured with EleutherAI's lm-eval."""
