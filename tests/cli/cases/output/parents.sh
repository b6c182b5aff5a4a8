# Missing parent directories are made.
tiny model
quietly nwcodec compress model -o a/b/out
quietly nwcodec compress model -o out
same a/b/out out
