#!/bin/sh
# Collects programs and what they need to run into a folder that becomes an image's root: each program under usr/local/bin by the name that
# it was given, the shared libraries that `ldd` names, a user, how names are resolved, and /tmp. Used by the Dockerfile's builder stage and
# by `images.sh` alike, so that both make the same image.
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
    # What debuggers need is most of the size; names of functions stay for backtraces.
    if command -v strip >/dev/null 2>&1; then
        strip --strip-debug "$root/usr/local/bin/$name"
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
        echo "$program lacks a library: $needed" >&2
        exit 1
        ;;
    esac
    # `libx.so => /path (address)`, and the loader's own `/path (address)`.
    for library in $(echo "$needed" | sed -n 's/^[^/]*\(\/[^ ]*\) (0x.*/\1/p'); do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
done

# `up --processes` and a Redis of its own write only there.
echo 'ordershop:x:65532:65532::/:/usr/local/bin/ordershop' >"$root/etc/passwd"
echo 'ordershop:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
