"""What is installed: names, where they come from, and the options that plugins take."""
