# Runs test programs one after the other, and keeps what they say.
# usage: programs.sh FOLDER, with what FOLDER/programs sets and names; FOLDER/<name>.{json,err,exit} are the results.
out=$1

# program NAME FOLDER PROGRAM [ARGUMENT...]
program() {
    name=$1
    folder=$2
    shift 2
    (cd "$folder" && exec "$@" -Z unstable-options --format json --report-time) \
        >"$out/$name.json" 2>"$out/$name.err" </dev/null
    echo $? >"$out/$name.exit"
}

. "$out/programs"
