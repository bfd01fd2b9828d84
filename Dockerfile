# Hearth's image: about 32 MB of binary, libraries and their licences; no shell, nothing else to run.
#
#   docker build -t hearth .
#   docker run --read-only --cap-drop ALL -v hearth-run:/run/hearth -v hearth-data:/var/lib/hearth hearth
#
# .ci/scripts/image assembles the last stage from the lines below and runs it as they say, without an engine.

# Both stages are of one Debian release: the libraries that the binary was linked with are those that are copied.
ARG SWIFT=6.3-bookworm
FROM swift:${SWIFT} AS build
WORKDIR /src
# A layer of its own, which a change of the sources does not build anew. Debian's newest, since a version that is pinned
# would be gone from its mirrors with the next security update.
COPY .ci/scripts/packages .ci/scripts/packages
RUN .ci/scripts/packages build
COPY . .
RUN swift build -c release --static-swift-stdlib --product hearth \
    && .ci/scripts/root-tree .build/release/hearth /tree

FROM scratch
LABEL org.opencontainers.image.title="Hearth" \
      org.opencontainers.image.description="A sidecar that keeps an application's state warm, by the Redis protocol" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /tree /
# A number, since Kubernetes' runAsNonRoot judges by numbers alone.
USER 65532:65532
# No VOLUME: an anonymous volume would take the journal, and go with its container without a word. Without a mount there
# a read-only root makes the start fail, and say so.
# For Docker and Compose (depends_on, condition: service_healthy); Kubernetes has probes of its own. It asks the socket
# and nothing behind it, so Redis being down makes no container unhealthy. A configuration that moves the socket is
# named by HEARTH_CONFIG rather than --config, where this finds it too.
HEALTHCHECK --interval=5s --timeout=6s --start-period=30s CMD ["/usr/bin/hearth", "status"]
# SIGTERM, Docker's default, drains.
ENTRYPOINT ["/usr/bin/hearth"]
CMD ["serve"]
