nwcodec --version
