# ruff: noqa
CARVE_DOCS = {
    "components/compress/chain.py": "Parse a chain of compression methods, check its order and name it.",
    "components/models/training/fine_tuning.py": "Base configurations of compression methods and of those that fine-tune.",
    "data/splits.py": "The `split` section of an experiment: which examples are for training, for choosing and for the test.",
    "data/policy.py": "The base of every modality's augmentation policy.",
    "data/spec.py": "What a model must know of its examples, and the names of the fields that every raw example has.",
    "data/core/config.py": "The base of every configuration: frozen, typed, unknown keys refused.",
    "data/modalities/audio/config.py": "The `data` and `augment` sections of sounds.",
    "data/modalities/image/config.py": "The `data` and `augment` sections of images.",
    "data/modalities/series/config.py": "The `data` and `augment` sections of time series.",
    "data/modalities/tabular/config.py": "The `data` and `augment` sections of tables.",
    "data/modalities/text/config.py": "The `data` and `augment` sections of texts.",
}
PACKAGES = {
    "components.check": "components.load_check",
    "components.models.loops": "components.models.training.loops",
}
FOLDERS = {"pipeline/report/preview.html": "pipeline/report/templates/preview.html"}
FORCE = set()
