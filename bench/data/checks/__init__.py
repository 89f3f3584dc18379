"""What a path is, whether a source is sound: told, never changed."""
