#!/bin/sh
# Makes sure, where that is easy, that a browser and its driver are there for the page's tests. Never fails: those tests say
# aloud that they are skipped.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=deploy/install/packages.sh
. "$here/packages.sh"

distribution=$( (. /etc/os-release && echo "$ID") 2>/dev/null || echo other)

if command -v chromedriver >/dev/null 2>&1; then
    echo "browser: $(command -v chromedriver)"
    exit 0
fi
case "$(package_manager):$distribution" in
apt-get:ubuntu) ;; # Its packages are snaps, which no container runs.
apt-get:*) install_packages chromium chromium-driver || true ;;
dnf:*) install_packages chromium chromedriver || true ;;
apk:*) install_packages chromium chromium-chromedriver || true ;;
esac
if ! command -v chromedriver >/dev/null 2>&1; then
    echo "no chromedriver: the page's tests will be skipped (install a browser and its chromedriver to run them)"
fi
