#!/usr/bin/env bash
# Proves that a bare Debian 12 needs nothing but ./dev: makes one (debootstrap, minbase) in build/bare, copies the tree
# into it, and runs there what is said, `./dev setup` unless something else is.
#     sudo tools/bare_check.sh [command of ./dev]...      sudo tools/bare_check.sh test --filter base
# Packages come from the mirrors and by the settings of this machine's /etc/apt. BARE_FRESH=no uses the folder as it is.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
readonly bare=$PWD/build/bare

((EUID == 0)) || {
  echo "bare_check: changing the root folder needs root: sudo tools/bare_check.sh" >&2
  exit 1
}
command -v debootstrap >/dev/null || {
  echo "bare_check: debootstrap is missing: apt-get install debootstrap" >&2
  exit 1
}

mounts=(proc dev)
clean_up() {
  local at
  for at in "${mounts[@]}"; do mountpoint -q "$bare/$at" && umount -l "$bare/$at"; done
  return 0
}
trap clean_up EXIT

# The first archive of bookworm's main suite that this machine uses, whichever way its sources are written.
mirror() {
  cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
    awk '/^URIs:/ { uri = $2 } /^Suites:/ && / bookworm( |$)/ && !found++ { print uri }
      $1 == "deb" { for (i = 2; i < NF; ++i) if ($(i + 1) == "bookworm" && !found++) print $i }' || true
}

make_bare() {
  local uri
  uri=$(mirror)
  [[ -n $uri ]] || {
    echo "bare_check: no mirror of bookworm in /etc/apt" >&2
    exit 1
  }
  clean_up
  # Only what is in the folder, never what is mounted there.
  rm -rf --one-file-system "$bare"
  debootstrap --variant=minbase --include=ca-certificates bookworm "$bare" "$uri" >build/bare.log 2>&1 || {
    tail -n 20 build/bare.log >&2
    exit 1
  }
  # The bare machine reaches packages as this one does; this machine's own third-party lists are left out.
  rm -f "$bare/etc/apt/sources.list"
  local each
  for each in apt.conf.d sources.list.d auth.conf.d trusted.gpg.d keyrings; do
    if [[ -d /etc/apt/$each ]]; then
      mkdir -p "$bare/etc/apt/$each"
      cp -r "/etc/apt/$each/." "$bare/etc/apt/$each/"
    fi
  done
  [[ -f /etc/apt/sources.list ]] && cp /etc/apt/sources.list "$bare/etc/apt/"
  find "$bare/etc/apt/sources.list.d" -type f ! -name 'debian*' -delete
  cp /etc/resolv.conf /etc/hosts "$bare/etc/"
  # So it is for Go's modules, which test peers are built of; and it trusts whom this machine trusts.
  local go_settings=${XDG_CONFIG_HOME:-$HOME/.config}/go/env
  [[ ! -f $go_settings ]] || install -D "$go_settings" "$bare/tmp/.config/go/env"
  mkdir -p "$bare/usr/local/share/ca-certificates"
  cp -r /usr/local/share/ca-certificates/. "$bare/usr/local/share/ca-certificates/"
  chroot "$bare" update-ca-certificates >>build/bare.log 2>&1
  # As a real machine has it: nothing stands between a package and the start of its services.
  rm -f "$bare/usr/sbin/policy-rc.d"
  # Lists as old as the installation: none.
  rm -rf "$bare"/var/lib/apt/lists/*
}

mkdir -p build
if [[ ${BARE_FRESH:-yes} == yes || ! -d $bare/usr ]]; then
  echo "making a bare Debian in build/bare"
  make_bare
fi
for at in "${mounts[@]}"; do
  mountpoint -q "$bare/$at" || mount --rbind "/$at" "$bare/$at"
  mount --make-rslave "$bare/$at"
done

mkdir -p "$bare/weft"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
  [[ -e $file ]] && printf '%s\0' "$file"
done | tar --null --files-from=- -cf - | tar -C "$bare/weft" -xf -

(($#)) || set -- setup
echo "in it: ./dev $*"
keep=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp TERM=dumb)
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY CI; do
  [[ -n ${!name:-} ]] && keep+=("$name=${!name}")
done
chroot "$bare" env -i "${keep[@]}" /weft/dev "$@" </dev/null
[[ ! -e $bare/usr/sbin/policy-rc.d ]] || {
  echo "bare_check: the guard against service starts was left behind" >&2
  exit 1
}
echo "bare_check: good"
