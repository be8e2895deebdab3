# Replaces the official image if no registry can be reached: this machine's own server, with the same arguments.
FROM scratch
COPY root/ /
# A new volume on /data gets this owner.
COPY --chown=65532:65532 data /data
LABEL ordershop.made-by=images-offline
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 6379
# Other containers may connect, as in the official image.
ENTRYPOINT ["/usr/local/bin/redis-server", "--protected-mode", "no"]
