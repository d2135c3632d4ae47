# A PostgreSQL server of one's own, for tests and measurements: sourced by the scripts beside this folder.
#
#   postgres_ensure          finds the binaries, or installs them with apt
#   postgres_start FOLDER    starts a cluster in FOLDER/postgres; sets POSTGRES_URL
#   postgres_stop            stops it, if it runs
#
# The data are meant to be thrown away: nothing is synced to the disk. The locale is C, so that no test comes to
# depend on a collation that the next machine doesn't have.

POSTGRES_BIN=""
POSTGRES_DATA=""
POSTGRES_URL=""

apt_install() {
    local as_root=()
    if [[ $(id -u) -ne 0 ]]; then
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"
}

# The newest folder that has the server's programs.
postgres_find() {
    local folder
    for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) \
        "$(dirname "$(command -v initdb 2>/dev/null || echo /nonexistent/initdb)")"; do
        if [[ -x $folder/initdb && -x $folder/pg_ctl && -x $folder/postgres ]]; then
            POSTGRES_BIN=$folder
            return 0
        fi
    done
    return 1
}

postgres_ensure() {
    postgres_find && return 0
    if ! command -v apt-get >/dev/null; then
        echo "PostgreSQL is missing, and there is no apt-get to install it with" >&2
        return 1
    fi
    apt_install postgresql
    postgres_find || { echo "PostgreSQL was installed, but its programs were not found" >&2; return 1; }
}

# The server refuses to run as root.
postgres_run() {
    if [[ $(id -u) -eq 0 ]]; then
        (cd / && runuser -u postgres -- env LC_ALL=C "$POSTGRES_BIN/$1" "${@:2}")
    else
        LC_ALL=C "$POSTGRES_BIN/$1" "${@:2}"
    fi
}

# Is nobody listening there?
port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

postgres_start() {
    local folder=$1 port attempt
    mkdir -p "$folder/postgres"
    if [[ $(id -u) -eq 0 ]]; then
        chmod 711 "$folder"
        chown postgres "$folder/postgres"
    fi
    POSTGRES_DATA="$folder/postgres/data"
    postgres_run initdb --pgdata="$POSTGRES_DATA" --username=postgres --auth=trust \
        --encoding=UTF8 --locale=C --no-sync >"$folder/initdb.log"
    for attempt in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 12000))
        port_is_free "$port" || continue
        if postgres_run pg_ctl start --pgdata="$POSTGRES_DATA" --silent --wait --timeout=60 \
            --log="$folder/postgres/server.log" --options="$(postgres_options "$folder" "$port")"; then
            POSTGRES_URL="postgres://postgres@127.0.0.1:$port/"
            return 0
        fi
        cat "$folder/postgres/server.log" >&2
    done
    echo "PostgreSQL did not start" >&2
    return 1
}

postgres_options() {
    local setting
    for setting in "port=$2" "listen_addresses=127.0.0.1" "unix_socket_directories=$1/postgres" \
        "max_connections=600" "fsync=off" "synchronous_commit=off" "full_page_writes=off" \
        "autovacuum_naptime=10s" ${POSTGRES_SETTINGS:-}; do
        printf -- '-c %s ' "$setting"
    done
}

postgres_stop() {
    if [[ -n $POSTGRES_DATA && -f $POSTGRES_DATA/postmaster.pid ]]; then
        postgres_run pg_ctl stop --pgdata="$POSTGRES_DATA" --silent --mode=immediate || true
    fi
}
