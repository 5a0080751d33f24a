# Three images: worker (the service), local (the emulator with its page), model (a model as SageMaker runs it).
#   docker build --target worker --tag kvs-inference:worker .

# What the images are made on: Debian slim. Of the image with Node.js 24 and npm they get the program node alone.
ARG BASE_IMAGE=public.ecr.aws/docker/library/debian:bookworm-slim
ARG NODE_IMAGE=public.ecr.aws/docker/library/node:24-bookworm-slim

# What is the same for every architecture: bundled by the machine that builds.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev
COPY . .
RUN node docker/assemble.mjs /out

# The decoder's packages, of which one holds machine code. Nothing of them is run here: no emulation for arm64.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS packages
ARG TARGETARCH
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --os=linux --libc=glibc --cpu=$(echo "$TARGETARCH" | sed s/amd64/x64/)

FROM ${NODE_IMAGE} AS node

FROM ${BASE_IMAGE} AS runtime
LABEL org.opencontainers.image.vendor="kvs-inference" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-3.0-or-later"
# glibc: one heap for all threads, which keeps what one picture needs and gives back the rest (bench/README.md, pipeline).
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=1 \
    MALLOC_MMAP_THRESHOLD_=4194304 \
    MALLOC_TRIM_THRESHOLD_=16777216 \
    PATH=/app/bin:$PATH
WORKDIR /app
COPY --from=node /usr/local/bin/node /usr/local/bin/node
# The user node, 1000.
COPY --from=node /etc/passwd /etc/group /etc/
COPY LICENSE docker/NOTICE ./
COPY --from=packages /build/node_modules/node-av node_modules/node-av
COPY --from=packages /build/node_modules/@seydx node_modules/@seydx
# By number: whoever runs the image can see that it is not root.
USER 1000:1000

FROM runtime AS local
LABEL org.opencontainers.image.title="kvs-inference local" \
      org.opencontainers.image.description="The services that a kvs-inference worker needs, emulated, and a page."
COPY --from=build /out/local ./
COPY docker/emulator.json ./
EXPOSE 4560-4564 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["kvs-inference"]
CMD ["emulator", "--cameras", "--config", "/app/emulator.json", "--host", "localhost", "--port", "4560", "--page", "8080"]

FROM runtime AS model
LABEL org.opencontainers.image.title="kvs-inference model" \
      org.opencontainers.image.description="Object detection behind SageMaker's container contract."
ENV HOST=0.0.0.0 \
    PORT=8080
COPY --from=build /out/model ./
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/ping').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/model-server.js"]
CMD ["serve"]

# The last one is what is built where no target is named.
FROM runtime AS worker
LABEL org.opencontainers.image.title="kvs-inference worker" \
      org.opencontainers.image.description="Live Kinesis video streams in, SageMaker model results out."
ENV HEALTH_PORT=8081
COPY --from=build /out/worker ./
HEALTHCHECK --interval=30s --timeout=30s --start-period=60s --retries=3 CMD ["kvs-inference", "health"]
# Chunks of video are garbage as soon as they are read, and count as external memory: with V8's defaults they would set off a
# full collection twice a second (bench/README.md, pipeline).
ENTRYPOINT ["node", "--max-semi-space-size=2", "--initial-old-space-size=64", "/app/dist/main.js"]
CMD ["worker"]
