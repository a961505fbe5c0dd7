# For what comes over a network. Sourced from the repository's root.

# again COMMAND...: runs it until it succeeds, up to five times, with pauses in between.
again() {
    local pause
    for pause in 5 15 30 60; do
        ! "$@" || return 0
        echo "again in $pause s: $*" >&2
        sleep "$pause"
    done
    "$@"
}
