# Two processes, one output directory: see tests/long/pairs_test.sh, of which this is the short form.
bash "$SOURCE/tests/long/pairs_test.sh" "$NWCODEC" "$DEMO" "$DEMO_TEXT" 2 >report || { cat report; exit 1; }
