"""Word to people, programs and the service manager."""
