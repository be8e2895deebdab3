# A stand-in for the official image where no registry can be reached: this machine's own server. Takes the same arguments.
FROM scratch
COPY root/ /
# A volume takes its owner from here.
COPY --chown=65532:65532 data /data
LABEL ordershop.made-by=images-offline
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 6379
# As in the official image: other containers may connect.
ENTRYPOINT ["/usr/local/bin/redis-server", "--protected-mode", "no"]
