"""The lab.yaml that `labctl init` writes.

It is the first page of documentation that most users read, so it holds every key, each with its
default or an example, and a reason to change it. It is text and not generated: a generator has no
sense of what belongs together. A '#' with nothing behind it marks a setting that is switched off,
so that taking it away is enough; a test does that with each of them. What it explains,
labctl/messages/*/lab.yaml explains in another language, with the same settings.
"""

from __future__ import annotations

TEXT = """\
# lab.yaml: what this lab is.
#
# "# " begins an explanation, "#" alone a setting that is switched off and shows its default or an
# example: take the "#" away to set it. `labctl schema` prints a JSON Schema for your editor.

# How many machines; they are named docker-node1, docker-node2 and so on, at most 50.
nodes: 2

# Or one by one. Without an address a node gets network + 10 + its position.
#nodes:
#  - name: manager
#    memory: 2048
#    cpus: 2
#  - name: worker
#    address: 192.168.56.20

# Machines ---------------------------------------------------------------------------------------

# The lab's name, which its virtual machines carry; by default that of this folder.
#name: docker-lab

# What counted machines are called.
#node_prefix: docker-node

# virtualbox or libvirt; by default the one that is installed.
#provider: virtualbox

# Memory in MiB and virtual CPUs of each machine.
#memory: 1024
#cpus: 1

# The private network; docker-node1 gets .11. VirtualBox allows 192.168.56.0/21 unless
# /etc/vbox/networks.conf says otherwise. Left out, a lab gets this one, or a free one where another
# lab of this machine has it.
#network: 192.168.56.0/24

# The box: by name, in a version, or from a file of your own.
#box: centos/7

#box:
#  name: centos/7
#  version: "2004.01"

#box:
#  name: centos/7
#  url: https://mirror.example/CentOS-7-x86_64-Vagrant-2004_01.VirtualBox.box
#  sha256: 7e83943defcb5c4e9bebbe4184cce4585c82805a15e936b01b1e893b63dee2c5

# Folders of this host that the machines see; "host" begins at this file's folder. The type is
# auto, rsync, virtualbox, nfs, sshfs, 9p or disabled; options are those of Vagrant for the type.
#synced_folders:
#  - host: exercises
#    guest: /srv/exercises
#    type: rsync
#    options:
#      rsync__exclude: [".git/"]

# VirtualBox: share the box's disk between the machines, which is faster and smaller.
#linked_clone: true

# Let the plugin vagrant-vbguest install Guest Additions; only folders of type virtualbox need them.
#vbguest: false

# VirtualBox: resolve names through the host. Cures some DNS trouble, and causes other.
#dns_host_resolver: false

# How many seconds a machine may take to boot.
#boot_timeout: 300

# How many machines are worked on at once.
#parallel: 8

# Docker -----------------------------------------------------------------------------------------

# The versions: "course" (19.03.9, with docker-compose 1.25.5) or "latest-el7" (26.1.4, with the
# compose plugin), the last ones that were made for CentOS 7.
#toolchain: course

# Or with changes. Versions stand in quotes, or YAML makes numbers of them; null leaves out what is
# not needed: compose, compose_plugin, buildx.
#toolchain:
#  base: course
#  containerd: "1.2.13-3.2.el7"
#  docker: "19.03.15-3.el7"
#  docker_cli: "19.03.15-3.el7"
#  compose: "1.29.2"

#toolchain:
#  base: latest-el7
#  compose_plugin: "2.26.1-1.el7"
#  buildx: null

# Members of the docker group besides the login user; mirrors of Docker Hub: "auto" tries
# sources.mirrors and keeps those that answer; registries without TLS; further keys of daemon.json.
#docker:
#  users: [anna]
#  mirrors: auto
#  insecure_registries: ["registry.example:5000"]
#  daemon:
#    log-driver: json-file
#    log-opts:
#      max-size: 10m

# What is done on each machine, in this order. Own ones stand in playbooks/.
#playbooks: [repos, hosts, engine, mirrors, compose]

# More for the course ----------------------------------------------------------------------------

# Each of these is a playbook that is off unless it is named in "playbooks" above, behind those that
# stand there, or by --with: registry, hub-cache, images, overlay, compose-app.

# registry: a private registry with TLS and a password; `labctl status` shows where, and the
# password. What was pushed stays when the container is removed. "image" is what it runs.
#registry:
#  node: docker-node1
#  port: 5000
#  user: student
#  password: a-secret-of-yours
#  image: registry:2

# hub-cache: what one node has pulled from Docker Hub, the next gets from a cache in the lab, which
# runs on a node, or with "url" exists already. "upstream" is what it caches; left out, the first of
# the mirrors that answers, else Docker Hub.
#hub_cache:
#  node: docker-node1
#  port: 5001
#  upstream: https://mirror.example
#  image: registry:2

#hub_cache:
#  url: https://cache.example:5001

# images: pulled once, and handed to every node through the private registry.
#images:
#  - busybox:1.35
#  - nginx:1.22

# overlay: networks across nodes, by "etcd" (engines before 23.0, as in the course) or by "swarm".
#overlay: auto

# compose-app: a folder with a docker-compose.yml that is brought up on one node.
#compose_app:
#  folder: app
#  node: docker-node1

# Where things come from -------------------------------------------------------------------------

# Each of these can be replaced by a mirror near you; what you leave out keeps its default.
#sources:
#  vault:
#    baseurl: https://vault.centos.org/7.9.2009
#    key: file:///etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-7
#    fingerprint: 6341 AB27 53D7 8A78 A7C2 7BB1 24C6 A8A7 F4A8 0EB5
#  docker:
#    baseurl: https://download.docker.com/linux/centos/7/$basearch/stable
#    key: https://download.docker.com/linux/centos/gpg
#    fingerprint: 060A 61C5 1B55 8A7F 742B 77AA C52F EB6B 621E 9F35
#  compose:
#    url: https://github.com/docker/compose/releases/download/{version}/docker-compose-Linux-x86_64
#    sha256:
#      "1.29.2": f3f10cf3dbb8107e9ba2ea5f23c1d2159ff7321d16f0a23051d68d8e2547b323
#  resolver: 114.114.114.114
#  mirrors:
#    - https://docker.1ms.run
#    - https://docker.m.daocloud.io
#    - https://docker.1panel.live
#    - https://dockerproxy.net
#  hub_hosts:
#    - registry-1.docker.io
#    - auth.docker.io
#    - production.cloudflare.docker.com

# Machines that exist already --------------------------------------------------------------------

# Instead of Vagrant's: take away "nodes" above and whatever else describes virtual machines.
#machines:
#  - name: docker-node1
#    host: 10.0.0.11
#  - name: docker-node2
#    host: 10.0.0.12
#    port: 22
#    user: centos
#    key: ~/.ssh/id_ed25519
#    jump: anna@gate.example
#    address: 192.168.56.12
"""
