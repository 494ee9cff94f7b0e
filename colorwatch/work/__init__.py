"""The service's rooms: from a settled path to a result, one commit after the other."""
