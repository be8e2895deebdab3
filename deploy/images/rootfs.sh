#!/bin/sh
# Collects programs and what they need to run in a folder that becomes an image's root: each program under usr/local/bin by its given
# name, the shared libraries that `ldd` lists, a user, the configuration of name resolution, and /tmp. Used by the Dockerfile's builder
# stage and by `images.sh`, so that both make the same image.
#
#   rootfs.sh FOLDER NAME=PROGRAM...
set -eu

root=$1
shift
umask 022
mkdir -p "$root/usr/local/bin" "$root/etc" "$root/tmp"
chmod 1777 "$root/tmp"

for entry in "$@"; do
    name=${entry%%=*}
    program=${entry#*=}
    cp -L "$program" "$root/usr/local/bin/$name"
    chmod 755 "$root/usr/local/bin/$name"
    # Debug information is most of the size; function names stay for backtraces.
    # A program of another architecture stays as it is: this machine's strip does not know it.
    if command -v strip >/dev/null 2>&1; then
        strip --strip-debug "$root/usr/local/bin/$name" 2>/dev/null || true
    fi
    needed=$(ldd "$program" 2>&1) || {
        case $needed in
        *"not a dynamic executable"* | *"statically linked"*) needed= ;;
        *)
            echo "$needed" >&2
            exit 1
            ;;
        esac
    }
    case $needed in
    *"not found"*)
        echo "$program needs a library that is not installed: $needed" >&2
        exit 1
        ;;
    esac
    # Lines of ldd: `libx.so => /path (address)`, and `/path (address)` for the loader.
    for library in $(echo "$needed" | sed -n 's/^[^/]*\(\/[^ ]*\) (0x.*/\1/p'); do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
done

# Only `up --processes` and its own Redis write files, and only to /tmp.
echo 'ordershop:x:65532:65532::/:/usr/local/bin/ordershop' >"$root/etc/passwd"
echo 'ordershop:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
