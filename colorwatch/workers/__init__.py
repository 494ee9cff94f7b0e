"""The processes that read scans: the zygote, and the workers that are forked from it."""
