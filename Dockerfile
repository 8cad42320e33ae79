# The image that docker-compose.yml names: docker build -t partnership-ledger:0.1.0 .
FROM python:3.13-slim
WORKDIR /opt/ledger
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY ledger ledger
COPY projections projections
COPY api api
COPY seeds seeds
RUN pip install --no-cache-dir --no-deps --no-build-isolation . && useradd --system --no-create-home ledger \
    && install --directory --owner=ledger --mode=700 /keys
USER ledger
CMD ["ledger", "serve"]
