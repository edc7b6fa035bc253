"""A stand-in for VirtualBox's `VBoxManage`, over QEMU. See README.md."""
