# A full disk: one line that names the file and says what to do; no output directory if nothing was complete; complete
# blocks stay for a second run.
tiny model --hidden 128 --layers 4 --shards 2
quietly nwcodec compress model -o good
cat >on_small_disk.sh <<'SCRIPT'
set -eu -o pipefail
source "$1"
mkdir disk
mount -t tmpfs -o size=100k tmpfs disk
refused 1 nwcodec compress model -o disk/out
absent disk/out
mkdir disk/mine
refused 1 nwcodec compress model -o disk/mine
[ -z "$(ls -A disk/mine)" ] || fail "files are left"
refused 1 nwcodec decompress good -o disk/plain
absent disk/plain
mount -o remount,size=320k disk
refused 1 nwcodec compress model -o disk/out
"$TOOLS/verify_shards" disk/out/.nwcodec
ls -A disk/out disk/out/.nwcodec
mount -o remount,size=20m disk
nwcodec compress model -o disk/out --json | check_json /blocks_from_earlier_run=2
same disk/out good
SCRIPT
unshare="unshare --mount"
if [ "$(id -u)" -ne 0 ]; then unshare="unshare --map-root-user --mount"; fi
mkdir probe
$unshare mount -t tmpfs tmpfs probe 2>/dev/null || skip "cannot mount a small disk"
$unshare bash on_small_disk.sh "$SOURCE/tests/cli/lib.sh"
