# ruff: noqa
from pathlib import Path

I = {
    "pipeline": "The command line, the experiment file, the graph of nodes, the runners and the report.\n\nIt may import everything below it: `components` and `data`. No node and no model is implemented here.",
    "pipeline/cli": "The commands of `modelmill`. Nothing heavy is imported before a command needs it.",
    "pipeline/experiment": "The experiment file: its typed sections, how it is read and checked, and its JSON Schema.",
    "pipeline/preflight": "What is done before a run: new projects, `check`, `doctor`, and estimates of time and memory.",
    "pipeline/records": "What a run leaves behind, and how it is found and read: summaries, node outcomes, ML Metadata.",
    "pipeline/report": "The report page of a run, comparisons of runs and the preview of examples.",
    "pipeline/report/charts": "Charts of the report, as Altair specifications and SVG.",
    "pipeline/report/examples": "Examples for pages: read from artifacts, and rendered as pictures, players or text.",
    "pipeline/report/explain": "Attributions: which parts of an input decided on a prediction.",
    "pipeline/report/parts": "The sections of the report page, one module a section.",
    "pipeline/runners": "Where a pipeline runs: on this machine (`local`) or on Kubeflow Pipelines and Vertex (`kubeflow`).",
    "pipeline/runners/local": "Runs a pipeline on this machine: locks, console, logs, retention of old runs.",
    "pipeline/runners/kubeflow": "Runs a pipeline on Kubeflow Pipelines v2 and Vertex AI Pipelines.",
    "pipeline/runners/kubeflow/compile": "Compiles an experiment to a pipeline specification and a platform specification.",
    "pipeline/runners/kubeflow/container": "What runs inside the container of a task: the entry point between launcher and TFX executor.",
    "pipeline/runners/kubeflow/emulator": "Runs the tasks of a compiled package on this machine as the launchers of both targets do.",
    "pipeline/runners/kubeflow/submit": "Clients of the servers: submit, wait, schedule.",
    "components": "The nodes of the chain, one folder a node, and what they share: artifact types, models, gates.\n\nNodes do not import one another. It may import `data`, never `pipeline`.",
    "components/augment": "The node `augment`: writes augmented copies of the train split.",
    "components/compress": "The node `compress`: tries chains of compression methods and takes the best within the budget.",
    "components/compress/methods": "Compression methods, one file a method, found by its name.",
    "components/compress/ptq": "Post-training quantization, shared by the methods that export a flatbuffer.",
    "components/compress/rewrites": "Changes of a Keras model that keep its function as far as they can, shared by the methods.",
    "components/compress/search": "The search for chains of methods under a budget.",
    "components/compress/trials": "Runs trials of chains in child processes, measures and stores them.",
    "components/evaluate": "The nodes `evaluate` and `evaluate-compressed`: metrics per slice with intervals, and their gates.",
    "components/ingest": "The node `ingest`: TFX's file-based ExampleGen with our reader.",
    "components/load_check": "The node `check`: makes the bundle and tries it in a process without modelmill.",
    "components/models": "Models: families, layers, training, export and flatbuffers. Knows no node.",
    "components/models/blocks": "Parts of networks that several families share.",
    "components/models/export": "Writes and reads trained models: SavedModels, and what rebuilds the bare Keras model.",
    "components/models/families": "Model families, one file a family, found by its name.",
    "components/models/flatbuffer": "Reads, edits and runs flatbuffers.",
    "components/models/layers": "Keras layers of our own that convert to flatbuffers.",
    "components/models/pretrained": "Reads pretrained weights from files.",
    "components/models/training": "Training: input pipelines, optimizers, checkpoints, precision and strategies.",
    "components/models/training/loops": "Training loops, one file a loop, found by its name.",
    "components/push": "The node `push`: copies a blessed bundle to its destination, whole or not at all.",
    "components/testing": "Fixtures and helpers to run single nodes in tests; the pytest plug-in of modelmill.",
    "components/train": "The node `train`: TFX's Trainer, run in a child process.",
    "components/transform": "The node `transform`: TFX's Transform with the modality's preprocessing.",
    "components/validate": "The nodes from `statistics` to `data-gate`: TFDV's statistics, schema, anomalies and drift.",
    "data": "What an example is and how it is read, split, profiled and augmented: modalities, tasks, samples.\n\nIt imports neither `components` nor `pipeline`, and TensorFlow only inside functions.",
    "data/core": "Plug-ins, files, progress, formatting and child processes. Knows nothing of machine learning.",
    "data/core/fetch": "Fetches files that an experiment names from the hub, a wheel or a URL.",
    "data/modalities": "Modalities, one folder a modality, found by its name.",
    "data/modalities/audio": "Sounds.",
    "data/modalities/image": "Images.",
    "data/modalities/image/augment": "Augmentation of images.",
    "data/modalities/series": "Time series.",
    "data/modalities/tabular": "Rows of tables.",
    "data/modalities/text": "Texts.",
    "data/modalities/text/tokenizer": "Tokenizers: learned over the train split, and run inside the graph.",
    "data/profiling": "Looks at data before anything runs: what it is, label errors, near duplicates, drafts of experiments.",
    "data/readers": "Reads files, tables and TFRecords into raw examples.",
    "data/samples": "Data sets that come with modelmill, one file a data set, found by its name.",
    "data/tasks": "Tasks, one file a task, found by its name: labels, losses, metrics.",
}
for d, t in I.items():
    p = Path(d, "__init__.py")
    assert p.parent.is_dir(), d
    if p.exists() and p.read_text().strip() and d != "pipeline":
        print("has", d, p.read_text()[:80])
    t = t.strip()
    p.write_text(f'"""{t}"""\n' if "\n" not in t else f'"""{t}\n"""\n')
for d in ["components/check", "components/models/loops", "data/augment", "data/clients", "pipeline/new"]:
    p = Path(d, "__init__.py")
    if p.exists():
        p.unlink()
