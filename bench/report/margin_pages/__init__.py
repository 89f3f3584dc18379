"""A page and a picture for every margin, made from its spec and from the real head. See ``__main__``."""
