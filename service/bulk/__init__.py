"""Many images from files into one Parquet file of answers, without HTTP: streamed, and resumed after a kill.

It stands in `service`, beside `local`, because it is one more client of the same runtime and use cases, and needs no
terminal; the command around it is `cli/bulk.py`. Nothing else of the service imports this room: pyarrow is an extra.

    sources ---> scorer -------> rows -------> parts -------> output
    (images)     (the runtime)   (a table)     (resumable)    (one file)
"""
