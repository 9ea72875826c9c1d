package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"atoll/internal/cloud"
)

const (
	acceleratorFile = "accelerator.json"
	// probeLimit is how long one try may take. KVM gets no longer than
	// emulation took: it must be the faster one.
	probeLimit = 5 * time.Second
	// probeAnswer is QEMU's exit code when the guest writes 0x10 to isa-debug-exit.
	probeAnswer = 0x10<<1 | 1
)

// probeGuest is a boot sector that does what every kernel does first and what
// broken accelerators cannot do: it leaves real mode for 64-bit mode with paging,
// counts to 50 million, touching memory each time, and ends QEMU with
// probeAnswer. Emulation needs about 0.4 s for it, working KVM a tenth of that.
var probeGuest = []byte{
	0xfa,       // cli
	0x31, 0xc0, // xor  ax,ax
	0x8e, 0xd8, // mov  ds,ax
	0x8e, 0xc0, // mov  es,ax
	0x8e, 0xd0, // mov  ss,ax
	0xbc, 0x00, 0x7c, // mov  sp,0x7c00
	// Page tables at 0x1000, 0x2000 and 0x3000: the first 2 MiB as one page.
	0xfc,             // cld
	0xbf, 0x00, 0x10, // mov  di,0x1000
	0xb9, 0x00, 0x18, // mov  cx,0x1800
	0xf3, 0xab, // rep  stosw
	0xc7, 0x06, 0x00, 0x10, 0x03, 0x20, // mov  word [0x1000],0x2003   present, writable
	0xc7, 0x06, 0x00, 0x20, 0x03, 0x30, // mov  word [0x2000],0x3003
	0xc7, 0x06, 0x00, 0x30, 0x83, 0x00, // mov  word [0x3000],0x0083   and large
	// Long mode: CR4.PAE, CR3, EFER.LME, CR0.PG and PE.
	0x66, 0xb8, 0x20, 0x00, 0x00, 0x00, // mov  eax,0x20
	0x0f, 0x22, 0xe0, // mov  cr4,eax
	0x66, 0xb8, 0x00, 0x10, 0x00, 0x00, // mov  eax,0x1000
	0x0f, 0x22, 0xd8, // mov  cr3,eax
	0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0, // mov  ecx,0xc0000080
	0x0f, 0x32, // rdmsr
	0x0d, 0x00, 0x01, // or   ax,0x100
	0x0f, 0x30, // wrmsr
	0x0f, 0x20, 0xc0, // mov  eax,cr0
	0x66, 0x0d, 0x01, 0x00, 0x00, 0x80, // or   eax,0x80000001
	0x0f, 0x22, 0xc0, // mov  cr0,eax
	0x66, 0x0f, 0x01, 0x16, 0x88, 0x7c, // lgdt [gdtr]
	0x66, 0xea, 0x60, 0x7c, 0x00, 0x00, 0x08, 0x00, // jmp  8:long
	// long (0x7c60), 64-bit code:
	0xb9, 0x80, 0xf0, 0xfa, 0x02, // mov  ecx,50000000
	0x48, 0xff, 0x04, 0x25, 0x00, 0x50, 0x00, 0x00, // inc  qword [0x5000]
	0xff, 0xc9, // dec  ecx
	0x75, 0xf4, // jnz  to inc
	0xb0, 0x10, // mov  al,0x10
	0xe6, 0xf4, // out  0xf4,al
	0xf4,       // hlt
	0xeb, 0xfd, // jmp  to hlt
	// gdt (0x7c78): nothing, 64-bit code. gdtr (0x7c88): its limit and address.
	0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0x9a, 0x20, 0,
	0x0f, 0x00, 0x78, 0x7c, 0x00, 0x00,
}

// acceleratorRecord is the outcome of the probe. It holds for one boot of the
// host and one QEMU program.
type acceleratorRecord struct {
	HostBoot    string    `json:"host_boot"`
	Program     string    `json:"program"`
	ProgramTime time.Time `json:"program_time"`
	Accelerator string    `json:"accelerator"`
	Why         string    `json:"why"`
}

// Probe returns kvm or tcg: the one that ran the probe guest sooner. The first
// answer holds until the host boots again or its QEMU is another one.
func (d *Driver) Probe(ctx context.Context) (string, error) {
	select {
	case d.probing <- struct{}{}:
		defer func() { <-d.probing }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if d.accelerator != "" {
		return d.accelerator, nil
	}
	want := acceleratorRecord{HostBoot: d.boot}
	path, err := exec.LookPath(d.cfg.Program)
	if err != nil {
		return "", cloud.Wrap(cloud.Unavailable, err, "%s is not installed on this node (apt install qemu-system-x86)", d.cfg.Program)
	}
	if info, err := os.Stat(path); err == nil {
		want.Program, want.ProgramTime = path, info.ModTime().UTC()
	}
	file := filepath.Join(d.dir, acceleratorFile)
	if b, err := os.ReadFile(file); err == nil {
		var known acceleratorRecord
		if json.Unmarshal(b, &known) == nil && known.HostBoot == want.HostBoot && known.Program == want.Program &&
			known.ProgramTime.Equal(want.ProgramTime) && known.Accelerator != "" {
			d.accelerator = known.Accelerator
			return d.accelerator, nil
		}
	}
	if want.Accelerator, want.Why, err = d.probe(ctx); err != nil {
		return "", err
	}
	d.cfg.Log.Info("accelerator chosen", "accelerator", want.Accelerator, "why", want.Why)
	d.accelerator = want.Accelerator
	b, err := json.Marshal(want)
	if err != nil {
		return "", err
	}
	return d.accelerator, writeFile(file, b)
}

// probe tries both accelerators.
func (d *Driver) probe(ctx context.Context) (accelerator, why string, err error) {
	dir, err := os.MkdirTemp(d.dir, tmpPrefix+"*")
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	disk := make([]byte, 1<<20)
	copy(disk, probeGuest)
	disk[510], disk[511] = 0x55, 0xaa
	if err := os.WriteFile(filepath.Join(dir, "disk"), disk, 0o600); err != nil {
		return "", "", err
	}
	tcg, tcgErr := d.tryGuest(ctx, dir, "tcg", probeLimit)
	limit := probeLimit
	if tcgErr == nil {
		limit = tcg
	}
	kvm, kvmErr := d.tryGuest(ctx, dir, "kvm", limit)
	if errors.Is(kvmErr, errNoAnswer) && ctx.Err() == nil {
		// Once more: the verdict holds for long, and the host may just be busy.
		kvm, kvmErr = d.tryGuest(ctx, dir, "kvm", limit)
	}
	switch {
	case ctx.Err() != nil:
		return "", "", fmt.Errorf("accelerator probe: %w", ctx.Err())
	case kvmErr == nil:
		return "kvm", fmt.Sprintf("kvm answered in %v, tcg in %v", kvm.Round(time.Millisecond), tcg.Round(time.Millisecond)), nil
	case tcgErr == nil:
		return "tcg", fmt.Sprintf("tcg answered in %v; kvm: %v", tcg.Round(time.Millisecond), kvmErr), nil
	}
	return "", "", cloud.Wrap(cloud.Unavailable, errors.Join(tcgErr, kvmErr),
		"no accelerator of %s runs a guest on this node (tcg: %v; kvm: %v)", d.cfg.Program, tcgErr, kvmErr)
}

var errNoAnswer = errors.New("no answer")

// tryGuest runs the probe guest, confined as machines are, and returns how long
// it took.
func (d *Driver) tryGuest(ctx context.Context, dir, accelerator string, limit time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	args := append([]string{
		"-machine", board, "-accel", accelerator, "-cpu", cpuModel(accelerator), "-m", "32", "-no-reboot",
		"-boot", "menu=off,strict=on", "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-monitor", "none",
		"-blockdev", `{"driver":"raw","node-name":"disk","read-only":true,"file":{"driver":"file","filename":"disk"}}`,
		"-device", "virtio-blk-pci,drive=disk,bootindex=1",
	}, quiet...)
	cmd := exec.CommandContext(ctx, d.cfg.Program, append(args, confine(firstUser)...)...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	var said strings.Builder
	cmd.Stderr = &said
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return took, fmt.Errorf("%w in %v", errNoAnswer, limit.Round(time.Millisecond))
	case errors.As(err, &exit) && exit.ExitCode() == probeAnswer:
		return took, nil
	}
	first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
	return took, fmt.Errorf("%v: %s", err, first)
}
