"""What a file is, told from hostile bytes without decoding them."""
