"""Results that change hands: a suite's export and its import, and training again what a file recorded."""
