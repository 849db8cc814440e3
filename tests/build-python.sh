#!/usr/bin/env bash
# Build another CPython, for `tests/pythons.sh` to run the tests with: the free-threaded one above all, which a
# distribution may not have.
#
#     tests/build-python.sh [--disable-gil] PREFIX
#
#     tests/build-python.sh --disable-gil /opt/python3.13t     # -> /opt/python3.13t/bin/python3.13t
#     tests/build-python.sh /opt/python3.13                    # -> /opt/python3.13/bin/python3.13
#
# Nothing runs this by itself: it takes about two minutes on two cores, and writes to PREFIX.
#
# The source is upstream's tarball, as the distribution's source package carries it, without the distribution's
# patches. It comes by apt-get, from the mirror that this machine's apt uses, and apt checks its signature. That
# happens with lists and settings in a temporary directory: the system's sources, lists and packages stay as they are.
# PREFIX gets the interpreter with pip, and must not hold anything yet. All else is removed, also after a failure.
# It is compiled with -O1, without symbols and without profiles: these interpreters run tests, they are not measured, and
# so it takes less than half of the time.
#
#   SOURCE_PACKAGE   the source package                       (python3.13)
#   SUITE            the Debian suite that has it             (trixie)
#   KEYRING          what that suite is signed with           (/usr/share/keyrings/debian-archive-keyring.gpg)
#
# It needs Debian, and of its packages what `needed` below lists; it says which of them are missing.
set -euo pipefail

SOURCE_PACKAGE=${SOURCE_PACKAGE:-python3.13}
SUITE=${SUITE:-trixie}
KEYRING=${KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
needed=(build-essential debian-archive-keyring pkg-config xz-utils
    libbz2-dev libffi-dev liblzma-dev libncurses-dev libreadline-dev libsqlite3-dev libssl-dev uuid-dev zlib1g-dev)

fail() {
    echo "build-python: $*" >&2
    exit 2
}

options=()
prefix=
for word in "$@"; do
    case $word in
        --disable-gil) options+=(--disable-gil) ;;
        -*) fail "unknown option $word; usage: tests/build-python.sh [--disable-gil] PREFIX" ;;
        *) [[ -z $prefix ]] || fail "one PREFIX, not two: $prefix and $word"; prefix=$word ;;
    esac
done
[[ $prefix == /* ]] || fail "PREFIX must be an absolute path; usage: tests/build-python.sh [--disable-gil] PREFIX"
[[ ! -e $prefix || -z $(ls -A "$prefix") ]] || fail "$prefix already holds something; remove it or take another PREFIX"
mkdir -p "$prefix"
[[ -w $prefix ]] || fail "$prefix cannot be written to"

{ command -v apt-get && command -v dpkg-query; } >/dev/null || fail "this needs Debian's apt-get and dpkg-query"
missing=()
for package in "${needed[@]}"; do
    [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true) == *" installed" ]] || missing+=("$package")
done
((${#missing[@]} == 0)) || fail "missing packages; as root: apt-get install ${missing[*]}"

# Debian's main archive as apt knows it (its security archive is labelled otherwise, and other vendors' too).
# shellcheck disable=SC2016  # apt fills these in, not the shell
mirror=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' |
    sed -n 's/^Debian|Debian|main|//p' | head -n 1)
[[ -n $mirror ]] || fail "apt knows no Debian archive yet; as root: apt-get update"

work=$(mktemp -d "${TMPDIR:-/tmp}/build-python.XXXXXX")
trap 'rm -rf "$work"; rmdir "$prefix" 2>/dev/null || true' EXIT  # a prefix that something was installed to stays
trap 'exit 130' INT TERM HUP
mkdir -p "$work"/{lists,archives}/partial "$work/source" "$work/build"
cat >"$work/suite.sources" <<END
Types: deb-src
URIs: $mirror
Suites: $SUITE
Components: main
Signed-By: $KEYRING
END
# Read after the system's own settings, so proxies and the like stay, and what would reach outside of $work does not.
cat >"$work/apt.conf" <<END
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::SourceList "$work/suite.sources";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$work/lists";
Dir::Cache "$work";
Dir::Cache::Archives "$work/archives";
APT::Sandbox::User "";
END

echo "build-python: $SOURCE_PACKAGE of $SUITE ${options[*]:-with the GIL}, to $prefix"
apt-get --config-file "$work/apt.conf" --quiet=2 update
(cd "$work/source" && apt-get --config-file "$work/apt.conf" --quiet=2 source --download-only --only-source "$SOURCE_PACKAGE")
tar --extract --file "$work"/source/*.orig.tar.xz --directory "$work/build" --strip-components 1

log=$work/build.log
build() {
    cd "$work/build" &&
        OPT="-DNDEBUG -O1 -Wall" nice -n 10 ./configure --prefix="$prefix" --disable-test-modules "${options[@]}" &&
        nice -n 10 make -j "$(nproc)" &&
        nice -n 10 make install
}
if ! (build) >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    find "$prefix" -mindepth 1 -delete
    fail "the build failed; its last lines stand above"
fi

built=$(find "$prefix/bin" -regex '.*/python3\.[0-9]+t?' -type f | sort | tail -n 1)
# A library that was not found makes a module go missing, not the build fail.
"$built" -c 'import bz2, ctypes, lzma, readline, sqlite3, ssl, sys, uuid, zlib, ensurepip, pip' ||
    fail "$built lacks modules of the standard library; see the packages that this script names as needed"
echo "build-python: $built is $("$built" -VV)"
