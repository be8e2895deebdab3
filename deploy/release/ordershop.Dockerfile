# OrderShop's image of a release, from roots that deploy/images/rootfs.sh has filled for each architecture: amd64, arm64.
FROM scratch
ARG TARGETARCH
COPY ${TARGETARCH}/ /
USER 65532:65532
# The gateway's port; LISTEN sets the address of the other services.
EXPOSE 5000
ENV LISTEN=0.0.0.0:5000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/ordershop"]
CMD ["--help"]
