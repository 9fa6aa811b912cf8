#!/bin/sh
# Finds Python 3.10+, a JDK 17+ and a C compiler with headers, and installs what is missing or says how.
#
#   sh jvm-bridge/prerequisites.sh              check; as root on Debian or Ubuntu install what is missing
#   sh jvm-bridge/prerequisites.sh python       print the interpreter that .venv is made with
#   sh jvm-bridge/prerequisites.sh java-home    print the home of the JDK
#
# Plain POSIX sh, because it runs before there is a Python to run anything else.
set -u

MINIMUM_PYTHON=10   # 3.10
MINIMUM_JAVA=17
# The newest JDK whose classes the compilers of all lines of Spark read. A newer one is used if there is no other.
PREFERRED_JAVA=21

# A Python counts only when it can make a virtual environment: Debian ships venv's other half (ensurepip) separately.
suitable_python() {
    "$1" -c "import sys, venv, ensurepip, ctypes; sys.exit(not (3, $MINIMUM_PYTHON) <= sys.version_info[:2] < (3, 15))" \
        >/dev/null 2>&1
}

find_python() {
    for name in ${PYTHON:-} python3.14 python3.13 python3.12 python3.11 python3.10 python3; do
        # a shim of pyenv runs the version that is chosen at the moment; the others lie beside it
        for path in "$(command -v "$name" 2>/dev/null)" "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/*/bin/"$name"; do
            if suitable_python "$path"; then
                # the interpreter itself, not a version manager's shim that may pick another one later
                "$path" -c 'import os, sys; print(os.path.abspath(sys.executable))'
                return 0
            fi
        done
    done
    return 1
}

# A JDK counts only with jni.h: the bridge's C half is compiled against it. A second argument is the newest version that counts.
suitable_jdk() {
    [ -x "$1/bin/java" ] && [ -f "$1/include/jni.h" ] || return 1
    # from the JDK's own `release` file: starting a JVM would cost a second run a tenth of a second
    version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release" 2>/dev/null)
    [ -n "$version" ] ||
        version=$("$1/bin/java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ -n "$version" ] && [ "$version" -ge "$MINIMUM_JAVA" ] && [ "$version" -le "${2:-$version}" ]
}

find_java_home() {
    if [ -n "${JAVA_HOME:-}" ]; then
        suitable_jdk "$JAVA_HOME" && printf '%s\n' "$JAVA_HOME"
        return
    fi
    for newest in "$PREFERRED_JAVA" ""; do
        for home in $(jdk_of_path javac) $(jdk_of_path java) "${JVMS:-/usr/lib/jvm}"/*; do
            if suitable_jdk "$home" "$newest"; then
                readlink -f "$home"
                return 0
            fi
        done
    done
    return 1
}

jdk_of_path() {
    path=$(command -v "$1" 2>/dev/null) && dirname "$(dirname "$(readlink -f "$path")")"
}

suitable_compiler() {
    for name in ${CC:-} cc gcc clang; do
        command -v "$name" >/dev/null 2>&1 || continue
        printf '#include <stdlib.h>\n#include <dlfcn.h>\n' | "$name" -fsyntax-only -x c - >/dev/null 2>&1 && return 0
    done
    return 1
}

# One word for each thing that is missing.
missing() {
    find_python >/dev/null || echo python
    find_java_home >/dev/null || echo jdk
    suitable_compiler || echo compiler
    command -v make >/dev/null 2>&1 || echo make
}

# The first of the JDKs that Spark supports which this release of the distribution has.
jdk_package() {
    for version in 17 21 25; do
        if apt-cache show "openjdk-$version-jdk-headless" >/dev/null 2>&1; then
            echo "openjdk-$version-jdk-headless"
            return
        fi
    done
    echo default-jdk-headless
}

packages() {
    for thing in "$@"; do
        case $thing in
            python) echo python3 python3-venv ;;
            jdk) jdk_package ;;
            compiler) echo gcc libc6-dev ;;
            make) echo make ;;
        esac
    done | tr '\n' ' ' | sed 's/ $//'
}

describe() {
    case $1 in
        python) echo "Python 3.$MINIMUM_PYTHON or newer (3.14 at most) with venv and ensurepip" ;;
        jdk) echo "a JDK $MINIMUM_JAVA or newer with jni.h${JAVA_HOME:+ (JAVA_HOME is $JAVA_HOME; unset it or point it at one)}" ;;
        compiler) echo "a C compiler with the C library's headers" ;;
        make) echo "make" ;;
    esac
}

check() {
    wanted=$(missing)
    [ -z "$wanted" ] && return 0
    echo "SparkWeld needs, and this machine lacks:" >&2
    for thing in $wanted; do echo "  - $(describe "$thing")" >&2; done
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "Install them with this system's package manager and run the command again." >&2
        return 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "Install them with:" >&2
        # shellcheck disable=SC2086
        echo "  sudo apt-get update && sudo apt-get install -y $(packages $wanted)" >&2
        return 1
    fi
    apt-get update -qq || return 1
    # shellcheck disable=SC2046,SC2086
    set -- $(packages $wanted)
    echo "installing: $*" >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2 || {
        echo "apt-get could not install: $*" >&2
        return 1
    }
    wanted=$(missing)
    [ -z "$wanted" ] && return 0
    echo "still missing after the installation:" >&2
    for thing in $wanted; do echo "  - $(describe "$thing")" >&2; done
    return 1
}

case ${1:-check} in
    check) check ;;
    python) find_python ;;
    java-home) find_java_home ;;
    *) echo "usage: sh jvm-bridge/prerequisites.sh [check|python|java-home]" >&2; exit 2 ;;
esac
