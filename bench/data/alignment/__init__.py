"""Faces brought to a common place by five landmarks: the similarity, the warp, landmark files, whole folders."""
