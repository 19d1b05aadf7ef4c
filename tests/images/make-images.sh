#!/bin/sh
# Makes the image that the tests on a real engine run: a static busybox with its applets, from this
# host's own, so that nothing is pulled. Does nothing if the image is there.
#
# Needs: docker, tar, and a static busybox (Debian: busybox-static).
set -eu

image=evenkeel/busybox:1
docker image inspect "$image" >/dev/null 2>&1 && exit 0

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/root"
chmod 1777 "$root/tmp"
cp "${BUSYBOX:-/bin/busybox}" "$root/bin/busybox"
"$root/bin/busybox" --list | while read -r applet; do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"

tar -C "$root" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -c . |
    docker import --change 'CMD ["/bin/sh"]' - "$image" >/dev/null
