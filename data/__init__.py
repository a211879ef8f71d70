"""What an example is and how it is read, split, profiled and augmented: modalities, tasks, samples.

It imports neither `components` nor `pipeline`, and TensorFlow only inside functions.
"""
