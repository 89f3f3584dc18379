"""Tables, figures and pages, made from the store alone: a report needs no training code and can be made again any time."""
