#!/usr/bin/env bash
# CPython 3.14 and 3.15 from Debian's packages, where the system has older ones only. Needs root.
#   newer_pythons.sh FOLDER               make the folder: about two minutes, 900 MB
#   newer_pythons.sh FOLDER COMMAND...    run a command in it (chroot), where the current folder and
#                                         the one for temporary files are the same as outside
set -euo pipefail
folder=$1
shift

make() {
    local mirror
    # The one that the system uses, if it is Debian's.
    mirror=$(grep -hsoE '^[^#]*https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list.d/* \
        /etc/apt/sources.list | grep -oE 'https?://[^ ]+' | head -n 1) || true
    mkdir -p "$folder"
    # The keys of an older system may not know the newest packages.
    debootstrap --no-check-gpg --variant=minbase --include=python3.14-dev,python3.14-venv,\
python3.15-dev,python3.15-venv,gcc,libc6-dev,git,ca-certificates \
        sid "$folder" "${mirror:-https://deb.debian.org/debian}" >"$folder.log" 2>&1 \
        || { tail -n 20 "$folder.log"; return 1; }
    # The system's authorities and name servers.
    cp -L /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/ca-certificates.crt"
    cp -L /etc/resolv.conf "$folder/etc/resolv.conf"
}

inside() {
    local each
    for each in /proc /dev /dev/pts "${TMPDIR:-/tmp}" "$PWD"; do
        mkdir -p "$folder$each"
        mount --bind "$each" "$folder$each"
    done
    exec chroot "$folder" env -C "$PWD" PYTHONUTF8=1 "$@"
}

# In a mount namespace of its own: nothing stays mounted, so the folder can be removed at any time.
case ${1:-} in
    --make) make ;;
    --inside) inside "${@:2}" ;;
    "") exec unshare --mount bash "$0" "$folder" --make ;;
    *) exec unshare --mount bash "$0" "$folder" --inside "$@" ;;
esac
