"""From images to numbers: embeddings, verification metrics, intervals, and the geometry of the embedding."""
