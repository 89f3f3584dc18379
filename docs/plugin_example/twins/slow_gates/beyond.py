def slow(gate, sample, state, label):
    return 1.0 if sample.theta > gate["limit"] else 0.0
