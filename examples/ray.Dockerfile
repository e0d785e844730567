# The image of examples/kuberay.yaml: docker build -f examples/ray.Dockerfile -t registry.example/convoy .
# It holds the libraries; the code lies on the volume.
FROM python:3.12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends git make wget \
 && rm -rf /var/lib/apt/lists/*
COPY requirements.lock .
# Older releases of KubeRay ask Ray's dashboard agent, by wget, whether a node is well.
RUN pip install --no-cache-dir -r requirements.lock "ray[default]==2.60.0"
ENV RAY_USAGE_STATS_ENABLED=0
WORKDIR /convoy
