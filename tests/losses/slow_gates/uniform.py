def slow(gate, sample, state, label):
    return 1.0
