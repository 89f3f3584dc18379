"""Synthetic faces: analytic 3-D heads of invented people, written in the official layouts of LFW, YTF and CFP.

No licence, no real person, any number of identities, and the same pixels from the same seed. ``spec`` says what is
made (torch-free), ``layouts`` writes it, ``sheet`` shows it.
"""
