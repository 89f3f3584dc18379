def slow(gate, sample, state, label):
    return sample.p ** gate["gamma"]
