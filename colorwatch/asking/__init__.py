"""What people want to know: which scan is meant, its story, the history, what is outdated."""
