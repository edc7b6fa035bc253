"""The lab.yaml that `labctl init` writes.

It is the first page of documentation that most users read, so it has every key, each with its
default or an example, and a reason to change it. It is written by hand, because a generator does
not know what belongs together. A '#' without a space marks a setting that is off: removing the '#'
sets it, and a test does so for each of them. labctl/messages/*/lab.yaml has the same settings,
explained in other languages.
"""

from __future__ import annotations

TEXT = """\
# lab.yaml: the settings of this lab.
#
# "# " starts an explanation. "#" alone marks a setting that is off and shows its default or an
# example; remove the "#" to set it. `labctl schema` prints a JSON Schema for your editor.

# Number of machines, at most 50. They are named docker-node1, docker-node2 and so on.
nodes: 2

# Or a list of nodes. A node without an address gets network + 10 + its position.
#nodes:
#  - name: manager
#    memory: 2048
#    cpus: 2
#  - name: worker
#    address: 192.168.56.20

# Machines ---------------------------------------------------------------------------------------

# Name of the lab and prefix of its virtual machines; by default the name of this folder.
#name: docker-lab

# Prefix of the machines' names if "nodes" is a number.
#node_prefix: docker-node

# virtualbox or libvirt; by default the one that is installed.
#provider: virtualbox

# Memory in MiB and virtual CPUs of each machine.
#memory: 1024
#cpus: 1

# The private network; docker-node1 gets .11. VirtualBox allows 192.168.56.0/21 unless
# /etc/vbox/networks.conf allows others. By default a lab gets this one, or a free one if another
# lab of this computer uses it.
#network: 192.168.56.0/24

# The box: its name, with a version if you like, or a file of your own.
#box: centos/7

#box:
#  name: centos/7
#  version: "2004.01"

#box:
#  name: centos/7
#  url: https://mirror.example/CentOS-7-x86_64-Vagrant-2004_01.VirtualBox.box
#  sha256: 7e83943defcb5c4e9bebbe4184cce4585c82805a15e936b01b1e893b63dee2c5

# Folders of this computer that the machines share; "host" is relative to this file. The type is
# auto, rsync, virtualbox, nfs, sshfs, 9p or disabled; the options are Vagrant's for that type.
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

# VirtualBox: resolve names through this computer. Fixes some DNS problems and causes others.
#dns_host_resolver: false

# Seconds that a machine may take to boot.
#boot_timeout: 300

# How many machines labctl works on at once.
#parallel: 8

# A folder that `labctl kit make` wrote: everything comes from it instead of the network.
#kit: /media/stick/kit

# Options of Vagrant ----------------------------------------------------------------------------

# For all machines; a node in the list of "nodes" may have each of these too, and a box of its own.

# Ports of this computer that lead to the machines, as HOST:GUEST. docker-node1 gets 8080,
# docker-node2 8081 and so on. Only this computer reaches them, unless "host_ip" is 0.0.0.0.
#forwarded_ports: ["8080:80"]

#forwarded_ports:
#  - guest: 53
#    host: 5353
#    protocol: udp
#    host_ip: 0.0.0.0

# Further networks: private ones of the machines and this computer, or with "bridge" the room's own,
# through an interface of this computer.
#networks:
#  - network: 192.168.57.0/24
#  - bridge: eno1
#    network: 10.20.0.0/24

# The same for one node, with an address.
#nodes:
#  - name: gateway
#    box: generic/centos7
#    networks:
#      - network: 192.168.57.0/24
#        address: 192.168.57.20

# Size of the disk in GiB; the root file system grows with it.
#disk: 80

# Show the machines' screens; let them run virtual machines themselves.
#gui: true
#nested: true

# Options of `VBoxManage modifyvm`, or settings of vagrant-libvirt.
#provider_options:
#  virtualbox:
#    vram: 32
#  libvirt:
#    cpu_mode: host-passthrough

# Scripts that run after a boot, before the playbooks: once, or always. "file" is relative to this
# file.
#provision:
#  - inline: timedatectl set-timezone Asia/Shanghai
#    privileged: true
#  - file: setup.sh
#    run: always

# A Ruby file that is included at the end of the Vagrantfile, for everything else.
#vagrantfile: extra.rb

# Docker -----------------------------------------------------------------------------------------

# The versions: "course" (19.03.9, with docker-compose 1.25.5) or "latest-el7" (26.1.4, with the
# compose plugin; the last for CentOS 7).
#toolchain: course

# Or with changes. Put versions in quotes, or YAML reads them as numbers. null leaves out an
# optional part: compose, compose_plugin or buildx.
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

# users: members of the docker group besides the login user. mirrors: mirrors of Docker Hub; "auto"
# probes sources.mirrors and keeps those that answer. insecure_registries: registries without TLS.
# daemon: other keys of daemon.json.
# On machines that already have an engine: "adopt" lets labctl's settings win even if data goes out
# of sight; "replace_packages" removes packages that conflict with docker-ce.
#docker:
#  users: [anna]
#  mirrors: auto
#  insecure_registries: ["registry.example:5000"]
#  daemon:
#    log-driver: json-file
#    log-opts:
#      max-size: 10m
#  adopt: false
#  replace_packages: false

# An HTTP proxy between the nodes and the Internet. "inherit" takes it from the environment of this
# computer; a mapping sets its parts. A password is kept in .labctl/private, so you can
# remove it from this file after the first run.
#proxy: http://proxy.school.example:3128

#proxy:
#  http: http://anna@proxy.school.example:3128
#  https: http://anna@proxy.school.example:3128
#  no_proxy: [mirror.school.example]
#  containers: true

#proxy:
#  inherit: true

# Playbooks to run on each machine, in this order. Put your own in playbooks/.
#playbooks: [repos, hosts, engine, mirrors, compose]

# Course playbooks -------------------------------------------------------------------------------

# These playbooks are off: registry, hub-cache, images, overlay, compose-app. To enable one, add its
# name at the end of "playbooks" above, or pass --with for one run.

# registry: a private registry with TLS and a password; `labctl status` shows its address and
# password. Pushed images are kept when its container is removed. "image" is the image that it runs.
#registry:
#  node: docker-node1
#  port: 5000
#  user: student
#  password: a-secret-of-yours
#  image: registry:2

# hub-cache: a cache of Docker Hub, from which a node gets what another one has pulled before. It
# runs on a node; "url" uses one that exists already. "upstream" is what it caches; by default the
# first mirror that answers, else Docker Hub.
#hub_cache:
#  node: docker-node1
#  port: 5001
#  upstream: https://mirror.example
#  image: registry:2

#hub_cache:
#  url: https://cache.example:5001

# images: pulled once; every node gets them through the private registry.
#images:
#  - busybox:1.35
#  - nginx:1.22

# overlay: networks across nodes, by "etcd" (engines before 23.0, as in the course) or by "swarm".
#overlay: auto

# compose-app: a folder with a docker-compose.yml, which is started on one node.
#compose_app:
#  folder: app
#  node: docker-node1

# Download sources -------------------------------------------------------------------------------

# Each can be replaced by a mirror near you; a key that you leave out keeps its default.
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

# A class ----------------------------------------------------------------------------------------

# A lab like this one for each student. "students" is a number, or a CSV file with a line for each
# student: name, full name, host. "hosts" are computers with libvirt that run the machines; without
# them, this computer does. If the roster names the students' own machines, "login" says how to log
# in there. `labctl plan` shows which host each student gets.
#class:
#  students: roster.csv
#  hosts:
#    - name: hv1
#      uri: qemu+ssh://lab@hv1.room/system
#      memory: 60000
#      key: ~/.ssh/hosts
#      parallel: 4
#  login:
#    user: teacher
#    port: 22
#    key: ~/.ssh/classroom

# Existing machines ------------------------------------------------------------------------------

# Instead of virtual machines: remove "nodes" above and all other settings of virtual machines.
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
