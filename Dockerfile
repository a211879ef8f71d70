# syntax=docker/dockerfile:1
# The image that every node of a pipeline runs in:
#   docker build -t REGISTRY/modelmill:0.1.0 .
#   docker build -t REGISTRY/modelmill:0.1.0-gpu --build-arg ACCELERATOR=gpu .
# ACCELERATOR is cpu, gpu (CUDA's libraries, 4 GB more) or tpu (libtpu).

# Debian 13: TFX's wheels need glibc 2.38 and the libstdc++ of GCC 14; Debian 12 is too old for them.
ARG PYTHON=python:3.11-slim-trixie

FROM ${PYTHON} AS builder
ARG ACCELERATOR=cpu
ENV VIRTUAL_ENV=/opt/venv UV_LINK_MODE=copy UV_NO_CACHE=1
# One package of the lock, pyfarmhash, comes as source.
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements.lock pyproject.toml ./
COPY .ci/docker/ docker/
RUN python -m venv --without-pip /opt/venv && python docker/locked.py uv setuptools > tools.txt
RUN python -m pip install --no-cache-dir --require-hashes --target /opt/tools -r tools.txt
# All that is locked, then away with what only developers need. Bytecode: without it every start of a node takes half a
# minute longer, and the image's user may not write any.
RUN /opt/tools/bin/uv pip install --python /opt/venv/bin/python --require-hashes -r tools.txt && \
    /opt/tools/bin/uv pip install --python /opt/venv/bin/python --require-hashes --no-build-isolation \
    --compile-bytecode -r requirements.lock
RUN /opt/venv/bin/python docker/unneeded.py pyproject.toml > unneeded.txt && \
    /opt/tools/bin/uv pip uninstall --python /opt/venv/bin/python -r unneeded.txt
RUN docker/accelerator.sh "$ACCELERATOR" /opt/tools/bin/uv /opt/venv/bin/python
COPY . .
RUN /opt/tools/bin/uv pip install --python /opt/venv/bin/python --no-deps --no-build-isolation --compile-bytecode .
RUN /opt/venv/bin/python docker/smoke.py

FROM ${PYTHON}
# The launcher of KFP lays artifacts into these; group 0, because OpenShift gives containers a user of its own.
RUN useradd --uid 1000 --gid 0 --create-home modelmill && \
    mkdir -p /gcs /minio /s3 && chown 1000:0 /gcs /minio /s3 && chmod 775 /gcs /minio /s3 /home/modelmill
COPY --from=builder /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/home/modelmill \
    TF_USE_LEGACY_KERAS=1 \
    TF_CPP_MIN_LOG_LEVEL=2 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /home/modelmill
USER 1000
ENTRYPOINT ["modelmill"]
CMD ["--help"]
