# kill -9 at three moments: see tests/long/kill_test.sh, of which this is the short form.
"$TOOLS/make_checkpoint" model --hidden 192 --layers 6 --shards 3
bash "$SOURCE/tests/long/kill_test.sh" "$NWCODEC" "$TOOLS" model 3 >report || { cat report; exit 1; }
