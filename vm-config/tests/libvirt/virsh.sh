#!/bin/sh
# A virsh for tests, whose libvirt is a folder: virsh --quiet --connect fake:FOLDER [--readonly] -- WORDS
#
# FOLDER/domains/UUID has the files name, config.xml, live.xml and saved.xml of a domain, as far as it has them. Each call is
# noted in FOLDER/log. FOLDER/hook is read by this shell before each command of a call, with the command's words as
# parameters. What is written to the FIFO FOLDER/events is told as events, until that is closed. Where FOLDER/ignores is,
# changes succeed and do nothing; where FOLDER/holds is, guests let go of nothing.
folder=
while [ "$1" != -- ]; do
    case $1 in
        --connect) shift && folder=${1#fake:} ;;
        --quiet | --readonly) ;;
        *) echo "error: unsupported option '$1'" >&2 && exit 1 ;;
    esac
    shift
done
shift
echo "$*" >>"$folder/log"
input=$folder/input
cat >"$input"

fail() {
    for line; do
        echo "error: $line" >&2
    done
    return 1
}

# Shows the file $2 of the domain $1 by a program, `cat` or `without_secrets`.
show() {
    if [ -e "$folder/domains/$1/$2" ]; then
        $3 "$folder/domains/$1/$2" && echo
    else
        fail "failed to get domain '$1'"
    fi
}

without_secrets() {
    sed "s/ passwd='[^']*'//" "$1"
}

# The domains that have the file $1.
having() {
    for domain in "$folder"/domains/*; do
        [ ! -e "$domain/$1" ] || echo "${domain##*/}"
    done
}

# Puts the input into the devices of the file $1.
put_in() {
    XML=$(cat "$input") awk '/^  <\/devices>/ { print "    " ENVIRON["XML"] } { print }' "$1" >"$1.new" && mv "$1.new" "$1"
}

# Takes the input out of the file $1, with the white space before it.
take_out() {
    XML=$(cat "$input") awk '
        BEGIN { RS = "\001"; status = 3 }
        (at = index($0, ENVIRON["XML"])) {
            before = substr($0, 1, at - 1)
            sub(/[ \n]*$/, "", before)
            printf "%s%s", before, substr($0, at + length(ENVIRON["XML"]))
            status = 0
        }
        END { exit status }' "$1" >"$1.new" && mv "$1.new" "$1"
}

change() {
    how=$1 domain=$folder/domains/$2
    shift 3
    for scope; do
        case $scope in
            --config) file=$domain/config.xml ;;
            --live) file=$domain/live.xml ;;
        esac
        [ "$how" = put_in ] || [ "$scope" = --config ] || [ ! -e "$folder/holds" ] || continue
        "$how" "$file" || fail "Failed to change the device" "device not found: no such device" || return
    done
}

define() {
    uuid=$(sed -n 's/^ *<uuid>\(.*\)<\/uuid>$/\1/p' "$input")
    cat "$input" >"$folder/domains/$uuid/config.xml"
}

step() {
    [ ! -e "$folder/hook" ] || . "$folder/hook"
    case "$*" in
        "list --all --uuid --name")
            for domain in $(having name); do
                IFS= read -r name <"$folder/domains/$domain/name"
                printf '%s %s\n' "$domain" "$name"
            done ;;
        "list --uuid") having live.xml ;;
        "list --all --persistent --uuid") having config.xml ;;
        "list --all --with-managed-save --uuid") having saved.xml ;;
        "echo "*) printf %s "$2" ;;
        "event "*)
            cat "$folder/events"
            fail "Disconnected from fake:$folder due to end of file" "client socket is closed" ;;
        "dumpxml --inactive --security-info "*) show "$4" config.xml cat ;;
        "dumpxml --inactive "*) show "$3" config.xml without_secrets ;;
        "dumpxml "*) show "$2" live.xml without_secrets ;;
        "managedsave-dumpxml "*) show "$2" saved.xml without_secrets ;;
        "domxml-to-native "*) ;;
        "version --daemon") echo "Running against daemon: 9.0.0" ;;
        capabilities) [ ! -e "$folder/capabilities" ] || cat "$folder/capabilities" ;;
        "attach-device "* | "detach-device "* | "define "*)
            [ ! -e "$folder/ignores" ] || return 0
            case $1 in
                attach-device) shift && change put_in "$@" ;;
                detach-device) shift && change take_out "$@" ;;
                define) define ;;
            esac ;;
        *) fail "unknown command: '$1'" ;;
    esac
}

if [ $# -gt 1 ]; then
    step "$@"
    exit
fi
# Several commands in one text, each followed by "; ".
rest=$1
while [ -n "$rest" ]; do
    # A command is split into its words.
    step ${rest%%; *}
    rest=${rest#*; }
done
