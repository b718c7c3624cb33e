# The gateway: stenogram and what it runs on, without build tools, as a user who owns only /data.
# To build upon an image that nobody can exchange, name it by digest: --build-arg PYTHON=python:3.12-slim@sha256:…
ARG PYTHON=python:3.12-slim

# What is installed is what requirements/ locks, by hash; nothing else is downloaded, and no package runs code of its own
# to be built.
FROM ${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/build.txt requirements/image.txt /src/requirements/
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --only-binary :all: -r /src/requirements/build.txt \
 && python -m venv --without-pip /opt/stenogram \
 && /opt/build/bin/pip --python /opt/stenogram/bin/python install --require-hashes --only-binary :all: -r /src/requirements/image.txt
COPY . /src
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels /src \
 && /opt/build/bin/pip --python /opt/stenogram/bin/python install --no-deps --no-index /wheels/*.whl

FROM ${PYTHON}
RUN useradd --system --uid 10001 --no-create-home stenogram \
 && install -d -o stenogram -g stenogram /data
COPY --from=build /opt/stenogram /opt/stenogram
ENV PATH=/opt/stenogram/bin:$PATH PYTHONUNBUFFERED=1 \
    STENOGRAM_HOST=0.0.0.0 STENOGRAM_PORT=8600 STENOGRAM_LOG=/data/stenogram.db
USER stenogram
WORKDIR /data
VOLUME /data
EXPOSE 8600
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8600/health', timeout=2)"]
CMD ["stenogram", "serve"]
