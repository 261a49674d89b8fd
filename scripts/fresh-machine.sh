#!/usr/bin/env bash
# Tries the README's two commands as a new user has them: a fresh clone of HEAD in an empty folder, an empty home, a path
# with Node 20 and npm alone; once as root, once as an ordinary user made for it and removed at the end. Nothing but the
# npm registry is asked for. Needs root, git, and a Node 20 on the path, or NODE20=/the/folder/of/node.
#
#   scripts/fresh-machine.sh [--only demo|test] [--as root|user]
set -euo pipefail

commands=(demo test)
people=(root user)
while [ $# -gt 0 ]; do
  case "$1 ${2-}" in
    '--only demo' | '--only test') commands=("$2") ;;
    '--as root' | '--as user') people=("$2") ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift 2
done

fail() { echo "fresh-machine: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail 'needs root, to make a user and to be one. Run it with sudo.'

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
user="ztask-fresh-$$"
made_user=

cleanup() {
  if [ -n "$made_user" ]; then
    for pid in $(pgrep -u "$user"); do kill -KILL "$pid" || true; done
    userdel "$user" || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT

# Node 20 and npm stand in folders among other programs: so the path gets one folder with links to what may be used.
# coreutils and the shell are what npm's scripts use; git is not among them, nor any compiler.
tools="$work/path"
node20=${NODE20:-$(dirname "$(PATH=$(echo "$PATH" | tr : '\n' | grep -v node_modules | paste -sd:) command -v node)")}
mkdir "$tools"
for program in node npm npx; do ln -s "$(readlink -f "$node20/$program")" "$tools/$program"; done
for program in sh bash env cat cp dirname basename ls mkdir mv rm sed grep sleep tr uname id kill; do
  ln -s "$(command -v "$program")" "$tools/$program"
done
chmod 755 "$work" "$tools"

# npm's own settings, such as the registry, may come from the environment: they are the machine's, and are kept.
kept=()
while IFS= read -r setting; do kept+=("$setting"); done < <(env | grep -iE '^(npm_config_|https?_proxy=|no_proxy=|NODE_EXTRA_CA_CERTS=|SSL_CERT_)' | grep -iv '^npm_config_\(cache\|prefix\|userconfig\)=' || true)

as() { # as WHO HOME COMMAND: runs it with nothing of this environment but the path above and npm's settings
  local who=$1 home=$2 command=$3 run=()
  [ "$who" = root ] || run=(runuser -u "$user" --)
  (cd "$home" && "${run[@]}" env -i PATH="$tools" HOME="$home" ${kept[@]+"${kept[@]}"} sh -c "$command")
}

timed() { # timed WHO HOME COMMAND
  local start=$SECONDS
  echo "--- $1: $3"
  as "$@" || fail "$1: '$3' failed after $((SECONDS - start)) s"
  echo "--- $1: $3: $((SECONDS - start)) s"
}

try() { # try WHO DEMO_OR_TEST
  local who=$1 what=$2 home clone command own
  home=$(mktemp -d "$work/home-$who-$what-XXXX")
  clone="$home/ztask"
  git clone --quiet --no-hardlinks "file://$repository" "$clone"
  if [ "$who" = user ]; then chown -R "$user" "$home"; fi

  case $what in demo) command='npm run demo' ;; test) command='npm test' ;; esac
  echo "=== as $who: npm ci && $command, in a clone of $(git -C "$repository" log -1 --format='%h %s')"
  [[ $(as "$who" "$home" 'node --version') == v20.* ]] || fail "node on the path is no Node 20: $(as "$who" "$home" 'node --version')"
  echo "node $(as "$who" "$home" 'node --version'), npm $(as "$who" "$home" 'npm --version 2>/dev/null'), as $(as "$who" "$home" 'id -u -n 2>/dev/null || id -u'); on the path: $(ls "$tools" | paste -sd' ')"

  timed "$who" "$clone" 'npm ci'
  own=$(as "$who" "$clone" 'npm exec -- node --version 2>/dev/null')
  [[ $own == v24.* ]] || fail "npm runs Node $own, and not the Node 24 that the package brings"
  echo "npm runs Node $own"
  timed "$who" "$clone" "$command"
  if [ "$who" = user ] && pgrep -u "$user" -r R,S,D,T -a; then fail "$command left these processes behind"; fi
}

for who in "${people[@]}"; do
  if [ "$who" = user ]; then
    useradd --no-create-home --home-dir "$work" --shell /bin/sh "$user"
    made_user=yes
  fi
  for what in "${commands[@]}"; do try "$who" "$what"; done
done
echo "=== done: ${commands[*]} as ${people[*]}"
