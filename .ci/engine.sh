# What the demo and the tests need on this machine: a running Docker Engine and the image they run.
# Sourced, not run. Does nothing, and says nothing, where everything is there already.
#
#   need_engine "$@"          an engine that answers, and the test image; may start this script again
#   need_command CMD PACKAGE…  a command, from Debian's packages where it is missing
#   say TEXT, die TEXT

say() { printf '== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Runs something as root.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root and there is no sudo: $*"
    fi
}

# The package lists of this run are fresh enough once they were fetched in it.
apt_updated=
apt_update() {
    command -v apt-get >/dev/null || die "$1 is missing and this machine has no apt-get: please install it"
    [ -z "$apt_updated" ] || return 0
    as_root apt-get update -qq </dev/null >&2 || die "apt-get update failed, see above"
    apt_updated=yes
}

install_packages() {
    say "installing Debian packages: $*"
    apt_update "$1"
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" </dev/null >&2 ||
        die "apt-get could not install $*, see above"
}

need_command() {
    local command=$1
    shift
    PATH=$PATH:/usr/sbin:/sbin command -v "$command" >/dev/null || install_packages "$@"
}

engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
engine_answers_root() { as_root docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

install_engine() {
    if ! PATH=$PATH:/usr/sbin:/sbin command -v dockerd >/dev/null; then
        local packages=(docker.io ca-certificates)
        # Without its tools no container starts on a kernel that has AppArmor on.
        if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then
            packages+=(apparmor)
        fi
        install_packages "${packages[@]}"
    fi
    # Debian 13 has the command line in a package of its own.
    need_command docker docker-cli
}

# Waits until the engine answers; $1: for how many seconds.
await_engine() {
    local end=$((SECONDS + $1))
    until engine_answers_root; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.5
    done
}

start_engine() {
    if [ "$(cat /proc/1/comm)" = systemd ]; then
        say "starting the Docker Engine: systemctl start docker"
        as_root systemctl start docker || die "it did not start; see: journalctl -u docker"
        await_engine 60 || die "the Docker Engine does not answer; see: journalctl -u docker"
        return
    fi
    if command -v service >/dev/null && [ -x /etc/init.d/docker ]; then
        say "starting the Docker Engine: service docker start"
        if as_root service docker start </dev/null >&2 && await_engine 30; then
            return
        fi
        as_root service docker stop </dev/null >/dev/null 2>&1 || true
    fi
    local log=/var/log/dockerd.log
    say "starting the Docker Engine: dockerd in the background, its log is $log"
    as_root sh -c "PATH=\$PATH:/usr/sbin:/sbin setsid dockerd </dev/null >$log 2>&1 &"
    await_engine 60 && return
    as_root tail -n 20 "$log" >&2 || true
    die "the Docker Engine does not answer; the end of $log is above"
}

# Starts this script again as the same person with the docker group added, for this run only.
with_docker_group() {
    local group
    group=$(stat -c %g /var/run/docker.sock) || die "there is no /var/run/docker.sock"
    [ -z "${EVENKEEL_DOCKER_GROUP:-}" ] ||
        die "you may not use the Docker Engine; to change that: sudo usermod -aG docker $(id -un), then log in again"
    say "you are not in the docker group: using it for this run by sudo"
    local kept=(EVENKEEL_DOCKER_GROUP=yes) name
    for name in PATH HOME USER CI DEMO_DIR CARGO_HOME CARGO_TARGET_DIR RUSTUP_HOME; do
        [ -z "${!name:-}" ] || kept+=("$name=${!name}")
    done
    exec sudo setpriv --reuid="$(id -u)" --regid="$(id -g)" \
        --groups="$(id -G | tr ' ' ,),$group" env "${kept[@]}" "$0" "$@"
}

need_image() {
    docker image inspect evenkeel/busybox:1 >/dev/null 2>&1 && return
    # Debian's `busybox` is not static and runs in no empty image.
    if [ ! -x /bin/busybox ] || ldd /bin/busybox >/dev/null 2>&1; then
        install_packages busybox-static
    fi
    say "making the image evenkeel/busybox:1 from this machine's busybox"
    tests/images/make-images.sh
}

need_engine() {
    if ! engine_answers; then
        [ -z "${DOCKER_HOST:-}" ] || die "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST"
        install_engine
        engine_answers_root || start_engine
        engine_answers || with_docker_group "$@"
    fi
    need_image
}

# A C compiler: SQLite is compiled in.
need_compiler() {
    command -v cargo >/dev/null || die "there is no cargo: install Rust, see https://rustup.rs"
    need_command cc gcc libc6-dev
}
