# The gateway: hansard and what it runs on, without build tools, as a user who owns only /data.
FROM python:3.12-slim AS build
COPY . /src
RUN python -m venv /opt/hansard \
 && /opt/hansard/bin/pip install --no-cache-dir --disable-pip-version-check /src

FROM python:3.12-slim
RUN useradd --system --uid 10001 --no-create-home hansard \
 && install -d -o hansard -g hansard /data
COPY --from=build /opt/hansard /opt/hansard
ENV PATH=/opt/hansard/bin:$PATH PYTHONUNBUFFERED=1 \
    HANSARD_HOST=0.0.0.0 HANSARD_PORT=8600 HANSARD_LOG=/data/hansard.db
USER hansard
WORKDIR /data
VOLUME /data
EXPOSE 8600
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8600/health', timeout=2)"]
CMD ["hansard", "serve"]
