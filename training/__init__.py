"""The recipe of the embedded net: from photographs in colour to `models/compact.onnx`. Needs torch; see README.md."""
