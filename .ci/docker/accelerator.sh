#!/bin/sh
# Adds what an accelerator needs beside TensorFlow: accelerator.sh cpu|gpu|tpu UV PYTHON
set -eu
version=$("$3" -c 'from importlib import metadata; print(metadata.version("tensorflow"))')
case $1 in
  cpu) ;;
  # The same TensorFlow, and the CUDA libraries that this version names.
  gpu) "$2" pip install --compile-bytecode --python "$3" "tensorflow[and-cuda]==$version" ;;
  tpu) "$2" pip install --compile-bytecode --python "$3" libtpu ;;
  *) echo "ACCELERATOR: found '$1'; give cpu, gpu or tpu" >&2; exit 1 ;;
esac
