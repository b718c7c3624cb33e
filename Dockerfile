# The gateway: stenogram and what it runs on, without build tools, as a user who owns only /data.
FROM python:3.12-slim AS build
COPY . /src
RUN python -m venv /opt/stenogram \
 && /opt/stenogram/bin/pip install --no-cache-dir --disable-pip-version-check '/src[mcp]'

FROM python:3.12-slim
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
