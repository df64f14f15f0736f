"""What the scripts of all tasks share."""
