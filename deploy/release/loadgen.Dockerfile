# loadgen's image of a release, from roots that deploy/images/rootfs.sh has filled for each architecture: amd64, arm64. Reports go to the
# working folder, which is meant to be mounted: docker run --rm --user "$(id -u)" -v "$PWD:/work" IMAGE run my-shop.toml --target URL
FROM scratch
ARG TARGETARCH
COPY ${TARGETARCH}/ /
USER 65532:65532
WORKDIR /work
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/loadgen"]
CMD ["--help"]
