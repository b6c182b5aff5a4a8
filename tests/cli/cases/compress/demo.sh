# The example model with all defaults.
nwcodec compress "$DEMO" -o out
