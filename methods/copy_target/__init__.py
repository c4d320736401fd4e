"""Copy the target: the control that shows what a score without locality is worth."""
