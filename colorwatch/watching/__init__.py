"""What is noticed in an inbox: which files are there, and which have settled."""
