"""What samples are made from: a speech synthesizer, a package of texts. The samples themselves are in data/samples."""
