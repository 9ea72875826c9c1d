#!/bin/bash
# The first process of a real node, in mount, host name and process namespaces of its own and in the node's network: all that it starts
# ends with it, and what it mounts nobody else sees.
# node.sh DIR NAME ADDRESS KUBELET CONTAINERD-FOLDER IMAGE...
set -euo pipefail
dir=$1 name=$2 address=$3 kube=$4 bin=$5
shift 5

# The node owns the folders that its programs believe to be the machine's.
for p in kubelet:/var/lib/kubelet containerd:/var/lib/containerd run:/run/containerd pods:/var/log/pods containers:/var/log/containers \
	netns:/run/netns cni:/var/lib/cni; do
	mkdir -p "$dir/${p%%:*}" "${p#*:}"
	mount --bind "$dir/${p%%:*}" "${p#*:}"
	mount --make-rshared "${p#*:}"
done
# The kubelet sets these for the whole machine: let it set copies.
mkdir -p "$dir/sysctl"
for f in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
	cat "/proc/sys/$f" >"$dir/sysctl/${f//\//.}"
	mount --bind "$dir/sysctl/${f//\//.}" "/proc/sys/$f"
done
hostname "$name"

export PATH=$bin:$PATH
containerd -c "$dir/containerd.toml" >"$dir/containerd.log" 2>&1 &
until ctr version >/dev/null 2>&1; do sleep 0.05; done
for image in "$@"; do ctr -n k8s.io images import "$image" >>"$dir/import.log" 2>&1; done
"$kube" kubelet --config "$dir/kubelet.yaml" --kubeconfig "$dir/kubeconfig" --hostname-override "$name" --node-ip "$address" \
	--node-labels atoll.test/node=real >"$dir/kubelet.log" 2>&1 &
wait -n
