"""What makes a submission: it runs editors."""
