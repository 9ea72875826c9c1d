#!/usr/bin/env bash
# The main job on this machine: test/demo.sh starts Atoll with one real and 100 simulated nodes,
# boots a real machine in a cloudspace, runs `uname -a` in it by ssh through a port forward, and
# deploys two versions of the example application.
# Running it again uses what runs. test/demo.sh stop removes all of it.
# With other values of the ATOLL_DEMO_ variables below, it is another demo beside that one.
set -euo pipefail
cd "$(dirname "$0")/.."

nodes_sim=100
data=$(realpath -m "${ATOLL_DEMO_DATA:-atoll-data}")
listen=${ATOLL_DEMO_LISTEN:-127.0.0.1:8080}
agents=${ATOLL_DEMO_AGENT_LISTEN:-127.0.0.1:8443}
deployments=${ATOLL_DEMO_DEPLOYMENTS_LISTEN:-127.0.0.1:8880}
ssh_port=${ATOLL_DEMO_SSH_PORT:-2222}
name=demo project=hello
link=http://$name.localhost:${deployments##*:}/

atoll=$PWD/bin/atoll
pid_file=$data/demo.pid log=$data/demo.log key=$data/demo_key before=$data/demo.before
export ATOLL_URL=http://$listen ATOLL_CONFIG=$data/demo.config
unset ATOLL_TOKEN

say() { printf '\n== %s\n' "$*"; }
die() {
	printf 'demo: %s\n' "$@" >&2
	exit 1
}

# running prints the pid of the demo's Atoll, and fails if there is none. A pid that now belongs
# to another program does not count.
running() {
	local pid exe
	pid=$(cat "$pid_file" 2>/dev/null) && exe=$(readlink "/proc/$pid/exe") || return
	[[ ${exe% (deleted)} == "$atoll" ]] && echo "$pid"
}

# processes lists, with their pids, those that have the data folder in their arguments.
processes() {
	local p
	for p in /proc/[0-9]*; do
		! grep -aqsF "$data/" "$p/cmdline" || echo "${p#/proc/} $(tr '\0' ' ' <"$p/cmdline")"
	done
}

# host_objects lists what a node makes outside its data folder.
host_objects() {
	ip netns list | awk '{ print "network namespace", $1 }'
	ip -o link show | awk -F ': ' '{ sub(/@.*/, "", $2); print "network interface", $2 }'
	nft list tables 2>/dev/null | awk '{ print "nftables", $0 }'
}

start() {
	local pid
	if pid=$(running); then
		if [[ $(readlink "/proc/$pid/exe") != *' (deleted)' ]]; then
			say "Atoll runs already, pid $pid"
			return
		fi
		say "Restarting Atoll, pid $pid: bin/atoll is newer (machines go on)"
		end "$pid"
	fi
	if (exec 3<>"/dev/tcp/${listen%:*}/${listen##*:}") 2>/dev/null; then
		die "another program listens on $listen; choose another address:" \
			"ATOLL_DEMO_LISTEN=127.0.0.1:9080 make demo"
	fi
	mkdir -p -m 0700 "$data"
	[[ -e $before ]] || host_objects | sort >"$before"
	setsid "$atoll" up --data "$data" --listen "$listen" --agent-listen "$agents" --deployments-listen "$deployments" \
		--sim "$nodes_sim" </dev/null >>"$log" 2>&1 &
	pid=$!
	echo "$pid" >"$pid_file"
	for ((i = 0; i < 240; i++)); do
		if curl -fsS --max-time 2 "$ATOLL_URL/readyz" >/dev/null 2>&1; then
			say "Atoll started, pid $pid"
			return
		fi
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.5
	done
	tail -n 20 "$log" >&2
	die "Atoll did not get ready; the end of its log is above, all of it in $log"
}

# end stops process $1 and waits for it.
end() {
	kill -TERM "$1"
	for ((i = 0; i < 120; i++)); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.5
	done
	echo "demo: pid $1 did not end within 60 s; killing it" >&2
	kill -KILL "$1"
}

token() {
	ATOLL_TOKEN=$(cat "$data/admin.token") || die "no $data/admin.token: Atoll writes it at its first start"
	export ATOLL_TOKEN
}

# have says whether list $1 (a noun of the CLI) has an object named $2.
# It reads the list to its end, as all do here: who is written to must not go before (pipefail).
have() { "$atoll" "$1" list -o name | grep -xF "$2" >/dev/null; }

machine() {
	local image size
	if ! have image mini; then
		say "Image mini, made from Debian's packages"
		image=$(images/build.sh mini | tail -n 1)
		"$atoll" image create mini --file "$image" --wait
	fi
	[[ -e $key ]] || ssh-keygen -q -t ed25519 -N '' -C atoll-demo -f "$key"
	if have machine "$name"; then
		say "Machine $name is there already"
		"$atoll" machine show "$name" -o json | grep -E '"state": *"running"' >/dev/null || "$atoll" machine start "$name" --wait
	else
		say "Machine $name"
		size=$("$atoll" size list --limit 1 -o name)
		"$atoll" machine create "$name" --image mini --size "$size" --ssh-key "$key.pub" --wait
	fi
	"$atoll" port-forward list --machine "$name" -o json | grep -E "\"public_port\": *$ssh_port\b" >/dev/null ||
		"$atoll" port-forward create --machine "$name" --public-port "$ssh_port" --port 22 --protocol tcp --wait
}

# deployment makes the example project, and deploys version 1 and then version 2.
deployment() {
	local v archive
	have project "$project" || {
		say "Project $project"
		"$atoll" project create "$project" --base-domain localhost
		"$atoll" bundle create --project "$project" --process --use
	}
	for v in 1 2; do
		say "Deployment $name, version $v"
		tar -czf "$data/hello-$v.tar.gz" --sort=name --owner=0 --group=0 --mtime=@0 -C "examples/hello/$v" .
		archive=$("$atoll" bundle create --project "$project" --files "$data/hello-$v.tar.gz" -o json |
			sed -n 's/.*"sha256": *"\([0-9a-f]*\)".*/\1/p')
		"$atoll" deployment apply "$name" --project "$project" --set-deployment "archive=atoll:$archive" \
			--set-deployment command=./hello --set-deployment health=/health --wait
		curl -fsS --max-time 10 "$link"
	done
}

# guest runs its arguments in the machine, by ssh through the port forward.
guest() {
	ssh -i "$key" -p "$ssh_port" -o BatchMode=yes -o IdentitiesOnly=yes -o ConnectTimeout=5 \
		-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
		root@127.0.0.1 "$@"
}

# portal says how to sign in: with a link that sets the password, until somebody has set one.
portal() {
	if "$atoll" user show admin -o json | grep -E '"has_password": *true' >/dev/null; then
		echo "$ATOLL_URL (user admin, with the password that you set)"
	else
		"$atoll" user setup-link admin -o json | sed -n 's/.*"setup_url": *"\([^"]*\)".*/\1/p'
	fi
}

demo() {
	local kernel table
	start
	token
	machine
	say "ssh into it, through port $ssh_port of this host"
	for ((i = 0; i < 120; i++)); do
		kernel=$(guest uname -a 2>&1) && break
		sleep 1
	done
	((i < 120)) || tail -n 30 "$data"/agent/machines/*/console.log >&2 || true # what the guest said last
	((i < 120)) || die "no answer by ssh within two minutes: $kernel" "Its console: bin/atoll machine console $name"

	deployment

	say "uname -a on each node"
	for ((i = 0; i < 120; i++)); do
		(($("$atoll" node list -o name | wc -l) > nodes_sim)) && break
		sleep 0.5
	done
	table=$("$atoll" run --all -o table -- uname -a)
	echo "$table"

	say "Done"
	cat <<END
Guest:     $kernel
Nodes:     $(($(wc -l <<<"$table") - 1)) answered (the table above)
Deployed:  $link
Portal:    $(portal)
Token:     $data/admin.token
CLI:       export ATOLL_URL=$ATOLL_URL ATOLL_TOKEN=\$(cat $data/admin.token); bin/atoll machine list
ssh:       ssh -i $key -p $ssh_port root@127.0.0.1

Left running: Atoll (pid $(running), log $log), machine $name (QEMU) with its port forward on $ssh_port,
and deployment $name. make demo-stop removes all of it, with $data.
END
}

stop() {
	local pid d m left
	[[ -d $data ]] || {
		echo "demo: nothing to stop, there is no $data"
		return
	}
	[[ -e $before ]] || die "$data is not the demo's (it has no ${before##*/}); remove it yourself if you do not need it"
	# Machines and deployments outlive Atoll, and only Atoll knows all that belongs to them: if it
	# does not run, it is started once more to delete them.
	[[ -x $atoll ]] || build
	start
	token
	if have project "$project"; then
		for d in $("$atoll" deployment list --project "$project" -o name); do
			echo "deleting deployment $d"
			"$atoll" deployment delete "$d" --project "$project" --wait
		done
	fi
	for m in $("$atoll" machine list -o name); do
		echo "deleting machine $m"
		"$atoll" machine delete "$m" --wait || "$atoll" machine delete "$m" --force --wait
	done
	pid=$(running) && end "$pid"
	left=$(processes)
	[[ -z $left ]] || die "these processes still use $data, which is kept:" "$left"
	left=$(comm -13 "$before" <(host_objects | sort))
	rm -rf "$data"
	if [[ $left ]]; then
		die "Atoll is stopped and its data removed, but this is new since the demo began; if no other program made it, it is a defect:" "$left"
	fi
	echo "demo: stopped, nothing left"
}

build() { make --no-print-directory build; }

command=${1:-demo}
case $command in
demo | stop) ;;
*) die "usage: test/demo.sh [stop]" ;;
esac
# Machines and networks need root; the compiler, which comes first, does not.
[[ $command == stop || ${ATOLL_DEMO_BUILT-} ]] || build
if ((EUID != 0)); then
	exec sudo env "PATH=$PATH" "HOME=$HOME" ATOLL_DEMO_BUILT=1 "ATOLL_DEMO_DATA=$data" "ATOLL_DEMO_LISTEN=$listen" \
		"ATOLL_DEMO_AGENT_LISTEN=$agents" "ATOLL_DEMO_DEPLOYMENTS_LISTEN=$deployments" \
		"ATOLL_DEMO_SSH_PORT=$ssh_port" "$PWD/test/demo.sh" "$@"
fi
PATH=$PATH:/usr/sbin:/sbin
"$command"
