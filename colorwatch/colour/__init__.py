"""From lightness to colour: the net and what is done with what it says. Loaded by workers alone."""
