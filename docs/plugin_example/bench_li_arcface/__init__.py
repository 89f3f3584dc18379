"""Li-ArcFace and a gate, for face-margin-bench."""
