"""Copies files between this computer and nodes like `scp -r`, but as one tar stream a node.

scp and SFTP pay a round trip or more for each file, and write each under its final name while it
arrives. Here a tree travels as one stream, is unpacked beside its final place, and is moved there
once it is complete. ::

    location                         what PLACE on the command line means
    entry                            what is copied, and the interface of sources and sinks
    local_source, node_source        read entries from a local tree, from a node
    local_sink, node_sink            put entries in place here, on a node
    staging                          the temporary folder of a local sink
    tar_reader, tar_writer           entries from and to a tar stream
    scripts, *.sh                    what runs on the node
"""
