# liverseg's environment from the lock; the workflow itself is mounted, so that edits need no build.
# docker build -t liverseg .    then apptainer build liverseg.sif docker-daemon://liverseg:latest
# Versions of Debian's packages are left open: its mirrors keep the latest only.
# hadolint global ignore=DL3008
FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgl1 libglu1-mesa libosmesa6 libxrender1 libxt6 make \
 && rm -rf /var/lib/apt/lists/*
COPY envs/requirements.txt /opt/requirements.txt
RUN pip install --no-cache-dir --requirement /opt/requirements.txt
ENV PYTHONUNBUFFERED=1
WORKDIR /work
CMD ["snakemake", "--help"]
