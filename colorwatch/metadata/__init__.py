"""What scans and results carry beside their pixels, and where a result comes from."""
