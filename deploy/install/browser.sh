#!/bin/sh
# Installs a browser and its driver for the page's tests, where a package has them. Never fails: without a driver these tests
# are skipped with a message.
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
apt-get:ubuntu) ;; # Ubuntu's packages are snaps, which don't run in containers.
apt-get:*) install_packages chromium chromium-driver || true ;;
dnf:*) install_packages chromium chromedriver || true ;;
apk:*) install_packages chromium chromium-chromedriver || true ;;
esac
if ! command -v chromedriver >/dev/null 2>&1; then
    echo "there is no chromedriver, so the page's tests will be skipped; install a browser and its chromedriver to run them"
fi
