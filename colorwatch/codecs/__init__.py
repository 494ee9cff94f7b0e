"""Pages read and written: decoders, profiles, writers. Loaded by workers alone."""
