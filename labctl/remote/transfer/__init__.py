"""Copying files between this machine and nodes, as `scp -r` would, but as one tar stream a node.

scp and SFTP pay a round trip or more for each file, and write each under its final name while it
arrives. Here a tree travels as one stream, is unpacked beside its place and moved there when it is
whole. ::

    copying ─ place                    what is copied where
       ├─ sources: tree, fetching      members of a local tree, of a node's
       └─ sinks:   folder, sending     what puts members in place here, on a node
                     member, tarread, tarwrite, scripts
"""
