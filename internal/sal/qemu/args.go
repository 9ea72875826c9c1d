package qemu

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// board is the machine type: q35 (PCI Express), without the controllers that no
// machine here uses. A guest's boot sector runs after 60 ms under emulation,
// against 65 ms on the older "pc" and 75 ms on q35 with all its controllers.
const board = "q35,smm=off,sata=off,usb=off,vmport=off,dump-guest-core=off"

// quiet has QEMU make nothing that is not asked for.
var quiet = []string{"-no-user-config", "-nodefaults", "-display", "none"}

// tap is a network card with its tap device.
type tap struct {
	device string
	mac    string
}

// disk is a volume and how to open it.
type disk struct {
	path   string
	direct bool // its file system can do direct input and output
}

// arguments builds QEMU's command line. Everything in it is made here: of the
// specification only numbers, checked names and checked addresses reach it.
func arguments(spec wire.MachineSpec, accelerator string, disks []disk, taps []tap, vhost bool, user uint32) []string {
	args := append([]string{
		"-name", "guest=" + spec.Name, "-uuid", string(spec.ID), // for people, in ps
	}, quiet...)
	args = append(args,
		"-machine", board, "-accel", accel(accelerator), "-cpu", cpuModel(accelerator),
		"-smp", strconv.FormatInt(spec.VCPUs, 10), "-m", fmt.Sprintf("size=%dM", spec.MemoryMiB),
		"-rtc", "base=utc", "-boot", "menu=off,strict=on",
		"-msg", "timestamp=on",
		// QEMU stays when the guest powers off, so that an agent that was away
		// can tell that from a crash; and it begins paused, so that the guest
		// runs only when the agent has it on record.
		"-no-shutdown", "-S",
		"-chardev", "socket,id=qmp,path="+qmpSocket+",server=on,wait=off", "-mon", "chardev=qmp,mode=control",
		"-chardev", "socket,id=console,path="+consoleSocket+",server=on,wait=off", "-serial", "chardev:console",
		"-device", "VGA,vgamem_mb=8", "-vnc", "unix:"+vncSocket,
		"-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
	)
	for i, d := range disks {
		args = append(args,
			"-blockdev", blockdev(i, d),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=disk%d,serial=%.20s,bootindex=%d", i, spec.Disks[i], i+1))
	}
	// The seed is a disk and not a CD: cloud kernels have no driver for one.
	args = append(args,
		"-blockdev", `{"driver":"raw","node-name":"seed","read-only":true,"file":{"driver":"file","filename":"`+seedFile+`"}}`,
		"-device", "virtio-blk-pci,drive=seed,serial=seed")
	for i, t := range taps {
		netdev := fmt.Sprintf("tap,id=net%d,ifname=%s,script=no,downscript=no", i, t.device)
		if vhost {
			netdev += ",vhost=on"
		}
		// No boot ROM: machines boot from disks.
		args = append(args, "-netdev", netdev,
			"-device", fmt.Sprintf("virtio-net-pci,netdev=net%d,mac=%s,romfile=", i, t.mac))
	}
	return append(args, confine(user)...)
}

// accel bounds what emulation may take beside the machine's memory: the
// translated code of one machine, by default up to 1 GiB.
func accel(accelerator string) string {
	if accelerator == "tcg" {
		return "tcg,tb-size=256"
	}
	return accelerator
}

func cpuModel(accelerator string) string {
	if accelerator == "kvm" {
		return "host"
	}
	return "max"
}

// blockdev describes a volume. Direct access keeps guests' disks out of the
// host's page cache, which would hold everything twice; native AIO needs it.
// Where the file system has neither (tmpfs) QEMU writes through the page cache
// with threads; a guest's flush is a flush in both cases. Discards go down to
// the file, so that a guest's fstrim gives space back to the node.
func blockdev(i int, d disk) string {
	aio := "threads"
	if d.direct {
		aio = "native"
	}
	cache := map[string]any{"direct": d.direct, "no-flush": false}
	b, err := json.Marshal(map[string]any{
		"driver": "qcow2", "node-name": fmt.Sprintf("disk%d", i), "cache": cache,
		"discard": "unmap", "detect-zeroes": "unmap",
		"file": map[string]any{
			"driver": "file", "filename": d.path, "aio": aio, "cache": cache,
			"discard": "unmap", "locking": "on",
		},
	})
	if err != nil {
		panic(err) // strings and booleans only
	}
	return string(b)
}

// confine takes away from QEMU what it does not need once it runs: system calls
// that start programs, and, if the agent is root, root and the file system. It
// opens its files, devices and sockets before. Each machine gets a user id of
// its own, so that one that breaks out of its QEMU cannot reach the others.
func confine(user uint32) []string {
	args := []string{"-sandbox", "on,obsolete=deny,spawn=deny,resourcecontrol=deny"}
	if os.Geteuid() != 0 {
		return args
	}
	return append(args, "-runas", fmt.Sprintf("%d:%d", user, user), "-chroot", ".")
}

// canDirect reports whether the file can be opened for direct access.
func canDirect(path string) bool {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// hasVhost reports whether the kernel can move packets for the machines.
func hasVhost(accelerator string) bool {
	if accelerator != "kvm" {
		return false
	}
	f, err := os.OpenFile("/dev/vhost-net", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// validate refuses a specification that must not become a command line.
func validate(spec wire.MachineSpec) error {
	if err := validateID(spec.ID); err != nil {
		return err
	}
	if err := cloud.ValidateName(cloud.KindMachine, spec.Name); err != nil {
		return err
	}
	size := cloud.Size{Name: "machine", VCPUs: spec.VCPUs, MemoryMiB: spec.MemoryMiB, DiskGiB: 1}
	if err := size.Validate(); err != nil {
		return err
	}
	if len(spec.Disks) == 0 {
		return cloud.FieldErrorf("disks", "machine %s needs a disk to boot from", spec.ID)
	}
	for _, n := range spec.NICs {
		if !macAddress.MatchString(n.MAC) {
			return cloud.FieldErrorf("mac", "%q is not a MAC address such as 52:54:00:12:34:56", n.MAC)
		}
	}
	return nil
}

func validateID(id cloud.MachineID) error {
	// Lower case only: the id names a folder.
	if !cloud.IsID(string(id)) || strings.ToLower(string(id)) != string(id) {
		return cloud.FieldErrorf("id", "%q is not the id of a machine", id)
	}
	return nil
}
