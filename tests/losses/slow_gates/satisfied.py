def slow(gate, sample, state, label):
    return float(sample.satisfied)
