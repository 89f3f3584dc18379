"""Tables, figures and pages, made from the store alone."""
