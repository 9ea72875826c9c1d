# What the control scripts share. They keep each deployment as a folder below $HOME,
# with the configuration that it was given: enough to see the contract at work.
set -eu

project='' domain='' namespace='' name='' old='' new=''
app=() dep=()
while [ $# -gt 0 ]; do
	case $1 in
	--project-name) project=$2 ;;
	--base-domain) domain=$2 ;;
	--namespace) namespace=$2 ;;
	--name) name=$2 ;;
	--old-status) old=$2 ;;
	--new-status) new=$2 ;;
	--application-config) app+=("$2") ;;
	--deployment-config) dep+=("$2") ;;
	*)
		echo "unknown argument: $1" >&2
		exit 64
		;;
	esac
	shift 2
done
folder=$HOME/deployments/$namespace/$name

# value KEY prints the deployment configuration's value.
value() {
	local kv
	for kv in ${dep[@]+"${dep[@]}"}; do
		[ "${kv%%=*}" != "$1" ] || printf '%s' "${kv#*=}"
	done
}

# save writes the configuration. A secret comes as @secret: and the name of a file.
save() {
	local kv v
	mkdir -p "$folder"
	for kv in ${app[@]+"${app[@]}"}; do
		v=${kv#*=}
		case $v in
		@secret:*) v=$(cat "${v#@secret:}") ;;
		esac
		printf '%s=%s\n' "${kv%%=*}" "$v"
	done >"$folder/config"
}
