# Two stages: the first builds a wheel, with the pages in it, using Node and Python; the second installs it into a slim image.

FROM node:22-bookworm-slim AS build
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements-extras.txt ./
# Constraints: the versions that the tests ran with.
RUN sed --quiet 's/ \\$//; /^[A-Za-z0-9]/p' requirements-extras.txt > constraints.txt \
 && python3 -m venv /tools \
 && /tools/bin/pip install --no-cache-dir --constraint constraints.txt build hatchling
COPY pyproject.toml README.md LICENSE ./
COPY scripts/build_pages.py scripts/
COPY src src
RUN /tools/bin/python -m build --wheel --no-isolation --outdir /wheels

FROM python:3.11-slim-bookworm
COPY --from=build /build/constraints.txt /wheels/ /tmp/wheels/
RUN python -m venv /opt/metrics \
 && wheel=$(ls /tmp/wheels/*.whl) \
 && /opt/metrics/bin/pip install --no-cache-dir --constraint /tmp/wheels/constraints.txt "${wheel}[postgres,clickhouse]" \
 && rm -r /tmp/wheels \
 && useradd --system --uid 10001 --home-dir /data --create-home metrics
ENV PATH=/opt/metrics/bin:$PATH \
    METRICS_DATABASE_URL=sqlite:////data/metrics.db
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
# Not /readyz: an orchestrator that restarts unhealthy containers would restart this one while the database is away.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8000, timeout=4); c.request('GET', '/livez'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["metrics-graphql"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
