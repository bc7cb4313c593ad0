# Installs what a step needs and says so. Sourced by ./x and the scripts beside this file.

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# need_apt PACKAGE...: Debian packages that must be there.
need_apt() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    if ! command -v apt-get >/dev/null; then
        say "please install what Debian calls: ${missing[*]} (no apt-get here, going on without)"
        return
    fi
    say "installing Debian packages: ${missing[*]}"
    as_root apt-get update -q >/dev/null
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout=600 "${missing[@]}" >/dev/null
}

# need_program NAME CRATE [cargo install options]: a program from crates.io.
need_program() {
    local name=$1 crate=$2
    shift 2
    command -v "$name" >/dev/null && return
    say "installing $crate from crates.io (some minutes, once)"
    cargo install --locked "$crate" "$@" >&2
    export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
}

# need_build: a Rust toolchain and a C compiler.
need_build() {
    export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    if ! command -v cargo >/dev/null; then
        say "no Rust found: install it from https://rustup.rs and run this again"
        exit 1
    fi
    command -v cc >/dev/null || need_apt build-essential
}

# need_link: what Halo Link's SQL Server driver is built with and linked to (OpenSSL; on Windows it uses the system's own).
need_link() {
    need_apt libssl-dev pkg-config
}

# said_version PROGRAM: the version that a program was built as (crates/agent/src/version.rs), read without running it.
said_version() {
    { LC_ALL=C grep -aoE 'Halo Link version [0-9]+\.[0-9]+\.[0-9]+;' "$1" || true; } | sed -n '1{s/.* //;s/;$//;p}'
}

# need_version VERSION PROGRAM...: no package says another version than its programs do.
need_version() {
    local version=$1 program said
    shift
    for program in "$@"; do
        said=$(said_version "$program")
        if [ -z "$said" ] || [ "$said" != "$version" ]; then
            say "the package was to be of version $version, and $program is of version ${said:-which it does not say}: build it as $version (HALO_LINK_VERSION)"
            exit 1
        fi
    done
}
