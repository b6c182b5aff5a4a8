nwcodec
