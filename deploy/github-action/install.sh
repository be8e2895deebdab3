#!/usr/bin/env bash
# Puts loadgen on the PATH of the steps that follow: the latest release's for this machine, else built from the action's own sources.
#
# Environment: ACTION_PATH, ACTION_REPOSITORY, GH_TOKEN, RUNNER_TEMP, GITHUB_PATH
set -euo pipefail

case "$(uname -s)-$(uname -m)" in
Linux-x86_64) target=x86_64-unknown-linux-musl ;;
Linux-aarch64) target=aarch64-unknown-linux-musl ;;
Darwin-arm64) target=aarch64-apple-darwin ;;
*) target= ;;
esac
folder=$RUNNER_TEMP/loadgen
mkdir -p "$folder"
if [ -n "$target" ] && gh release download --repo "$ACTION_REPOSITORY" --pattern "loadgen-*-$target.tar.gz*" --dir "$folder" 2>/dev/null; then
    cd "$folder"
    shasum -a 256 --check ./*.sha256
    tar -xzf ./loadgen-*.tar.gz --strip-components 1
else
    echo "no release for this machine: building loadgen from $ACTION_PATH"
    cargo install --locked --path "$ACTION_PATH/loadgen" --root "$folder/built"
    folder=$folder/built/bin
fi
echo "$folder" >>"$GITHUB_PATH"
