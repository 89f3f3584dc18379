"""A reproducible benchmark and ablation harness for margin-based face-recognition losses."""

__version__ = "0.1.0"
