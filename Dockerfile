# One image for every service; the subcommand selects the service. It holds the binary and its libraries only: no shell, no root.
ARG RUST_IMAGE=rust:1.95-slim-bookworm
FROM ${RUST_IMAGE} AS builder
WORKDIR /source
COPY . .
RUN cargo build --locked --release -p ordershop --bin ordershop \
    && sh deploy/images/rootfs.sh /rootfs ordershop=target/release/ordershop

# `make images-offline` builds this stage from a folder that the same script has filled.
FROM scratch
COPY --from=builder /rootfs/ /
USER 65532:65532
# The gateway's port; LISTEN sets the address of the other services.
EXPOSE 5000
ENV LISTEN=0.0.0.0:5000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/ordershop"]
CMD ["--help"]
