# Installs system packages, to be sourced. Knows the package managers and nothing of what is installed. Never prompts.
# shellcheck shell=sh

# Runs as root: directly, or by a sudo that asks nothing. Fails otherwise.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1 && sudo -n true >/dev/null 2>&1; then
        sudo -n "$@"
    else
        return 1
    fi
}

package_manager() {
    # Only brew on macOS; elsewhere the system's own before a brew that somebody added.
    if [ "$(uname -s)" = Darwin ]; then
        set -- brew
    else
        set -- apt-get dnf apk brew
    fi
    for manager; do
        if command -v "$manager" >/dev/null 2>&1; then
            echo "$manager"
            return 0
        fi
    done
    echo none
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

# install_packages NAME...: installs all of them with this machine's package manager. Fails where that is not possible.
install_packages() {
    echo "installing $* ($(package_manager))"
    case "$(package_manager)" in
    apt-get)
        as_root true || return 1
        # Package lists are fetched only when those at hand, if any, don't do.
        apt_install "$@" 2>/dev/null && return 0
        as_root apt-get update -qq </dev/null && apt_install "$@"
        ;;
    dnf) as_root dnf install -y -q "$@" </dev/null ;;
    apk) as_root apk add --no-cache --quiet "$@" </dev/null ;;
    brew) HOMEBREW_NO_AUTO_UPDATE=1 brew install --quiet "$@" </dev/null ;;
    *) return 1 ;;
    esac
}
