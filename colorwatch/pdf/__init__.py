"""Scanned PDFs: which images make up a page, out of the document for the codec, and back into the same place.

Loaded in workers alone, and only when a PDF has come: qpdf takes 0.1 s and 17 MB to load.
"""
