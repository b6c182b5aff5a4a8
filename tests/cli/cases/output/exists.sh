# What stands in the output directory is not touched.
tiny model
mkdir out
echo precious >out/notes.txt
sums out >before
refused 1 nwcodec compress model -o out
echo file >file
refused 1 nwcodec compress model -o file
refused 1 nwcodec compress model -o file/below
quietly nwcodec compress model -o good
sums good >good_before
refused 1 nwcodec compress model -o good
refused 1 nwcodec decompress good -o good
refused 1 nwcodec decompress good -o out
diff before <(sums out)
diff good_before <(sums good)
[ "$(cat file)" = file ]
# An empty directory is as good as none.
mkdir empty
quietly nwcodec compress model -o empty
same empty good
