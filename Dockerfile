# Build: docker build --build-arg VERSION="$(git describe --tags --abbrev=0)" -t smart-router .
FROM python:3.13-slim AS build
WORKDIR /src
# hadolint ignore=DL3013
RUN pip install --no-cache-dir uv
COPY . .
ARG VERSION=0.1.0
RUN SETUPTOOLS_SCM_PRETEND_VERSION="${VERSION#v}" uv build --wheel --out-dir /dist
RUN uv venv /router && uv pip install --python /router/bin/python "smart-router[metrics,cluster] @ $(ls /dist/*.whl)"

FROM python:3.13-slim
COPY --from=build /router /router
RUN useradd --uid 10001 router && install -d -o router -m 700 /state
ENV PATH=/router/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SMART_ROUTER_CONFIG=/config.toml \
    SMART_ROUTER_STATE=/state
USER 10001
VOLUME /state
EXPOSE 8080
# 503 if no provider can be used
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health')"]
ENTRYPOINT ["smart-router"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--set", "confdir=/state/mitmproxy"]
