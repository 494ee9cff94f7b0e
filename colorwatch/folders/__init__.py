"""The thread of one folder, what it is asked, and what it says."""
