package agent

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// action is something that a job can ask for.
type action struct {
	// run does it; the value, as JSON, is the job's result.
	run func(ctx context.Context, j *Job) (any, error)
	// quick actions take no time and change nothing: they run at once when their
	// queue has a place, without a record in the journal, a timeout or output.
	quick bool
	// changes says that the inventory may be another one afterwards.
	changes bool
}

// builtin returns the actions that every agent has.
func builtin() map[string]action {
	return map[string]action{
		cloud.ActionNoop:         {run: func(context.Context, *Job) (any, error) { return nil, nil }, quick: true},
		cloud.ActionCommand:      {run: runCommand},
		cloud.ActionScript:       {run: runScript},
		wire.ActionControlRun:    {run: controlRun},
		wire.ActionHostFacts:     {run: hostFacts},
		wire.ActionImageEnsure:   {run: imageEnsure},
		wire.ActionVolumeEnsure:  {run: with(volumes, sal.Volumes.Ensure)},
		wire.ActionVolumeDelete:  {run: with(volumes, volumeDelete)},
		wire.ActionMachineStart:  {run: counted(with(machines, sal.Machines.Start)), changes: true},
		wire.ActionMachineStop:   {run: with(machines, sal.Machines.Stop), changes: true},
		wire.ActionMachineReboot: {run: with(machines, sal.Machines.Reboot), changes: true},
		wire.ActionMachineDelete: {run: counted(with(anyMachines, sal.Machines.Delete)), changes: true},
		wire.ActionNetworkEnsure: {run: with(networks, sal.Networks.Ensure)},
		wire.ActionNetworkDelete: {run: with(networks, sal.Networks.Delete)},
	}
}

// with makes an action of a driver's method: it finds the driver, reads the
// arguments and calls the method.
func with[D, A any](driver func(*Agent) (D, error), method func(D, context.Context, A) error) func(context.Context, *Job) (any, error) {
	return func(ctx context.Context, j *Job) (any, error) {
		d, err := driver(j.agent)
		if err != nil {
			return nil, err
		}
		var args A
		if err := j.decode(&args); err != nil {
			return nil, err
		}
		return nil, method(d, ctx, args)
	}
}

func machines(a *Agent) (sal.Machines, error) { return a.cfg.Node.Machines, a.computeErr() }

// anyMachines is machines for what needs no accelerator.
func anyMachines(a *Agent) (sal.Machines, error) {
	m := a.cfg.Node.Machines
	if m == nil {
		return nil, a.computeErr()
	}
	return m, nil
}

// counted reads what the machines moved before a driver forgets a machine's run.
func counted(run func(context.Context, *Job) (any, error)) func(context.Context, *Job) (any, error) {
	return func(ctx context.Context, j *Job) (any, error) {
		j.agent.readUsage(ctx)
		return run(ctx, j)
	}
}

func volumes(a *Agent) (sal.Volumes, error) {
	v := a.cfg.Node.Volumes
	if v == nil {
		return nil, cloud.Errorf(cloud.Invalid, "this node keeps no volumes: it offers no compute role; choose a node that does")
	}
	return v, nil
}

func networks(a *Agent) (sal.Networks, error) {
	n := a.cfg.Node.Networks
	if n == nil {
		return nil, cloud.Errorf(cloud.Invalid, "this node offers no network role; choose a node that does")
	}
	return n, nil
}

func volumeDelete(v sal.Volumes, ctx context.Context, ref wire.VolumeRef) error {
	return v.Delete(ctx, ref.ID)
}

func hostFacts(ctx context.Context, j *Job) (any, error) { return j.agent.facts(ctx) }

func imageEnsure(ctx context.Context, j *Job) (any, error) {
	a := j.agent
	if a.cfg.Node.Images == nil {
		return nil, cloud.Errorf(cloud.Invalid, "this node keeps no images: it offers no compute role; choose a node that does")
	}
	var args wire.ImageArgs
	if err := j.decode(&args); err != nil {
		return nil, err
	}
	return nil, a.cfg.Node.Images.Ensure(ctx, args, func(ctx context.Context) (io.ReadCloser, error) {
		return a.get(ctx, wire.PathImage+args.SHA256)
	})
}

// get fetches a body from the controller.
func (a *Agent) get(ctx context.Context, path string) (io.ReadCloser, error) {
	id := a.id.Load()
	if id == nil {
		return nil, cloud.Errorf(cloud.Unauthenticated, "the node has not joined")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.servers[a.serverNow()].String()+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.client(id.tls).Do(req)
	if err != nil {
		return nil, cloud.Errorf(cloud.Unavailable, "fetch %s from the controller: %v", path, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	body, err := readBody(resp)
	if err != nil {
		return nil, cloud.Errorf(cloud.Unavailable, "fetch %s from the controller: %v", path, err)
	}
	refused := &statusError{resp.StatusCode, problemOf(body)}
	kind := cloud.Unavailable
	if resp.StatusCode == http.StatusNotFound {
		kind = cloud.NotFound
	}
	return nil, cloud.Errorf(kind, "fetch %s: %v", path, refused)
}

// commandArgs are the arguments of cloud.ActionCommand.
type commandArgs struct {
	Argv  []string          `json:"argv"`
	Env   map[string]string `json:"env,omitempty"`
	Stdin string            `json:"stdin,omitempty"`
}

func runCommand(ctx context.Context, j *Job) (any, error) {
	var args commandArgs
	if err := j.decode(&args); err != nil {
		return nil, err
	}
	if len(args.Argv) == 0 || args.Argv[0] == "" {
		return nil, cloud.FieldErrorf("argv", "is empty; give a program and its arguments")
	}
	env := make([]string, 0, len(args.Env))
	for k, v := range args.Env {
		env = append(env, k+"="+v)
	}
	return nil, j.exec(ctx, sal.Command{Argv: args.Argv, Env: env, Stdin: []byte(args.Stdin)})
}

// asRoot reports whether the job's command runs as root.
func (j *Job) asRoot() bool { return j.RunAs == "" || j.RunAs == cloud.RunAsRoot }

// exec runs a command as the job.
func (j *Job) exec(ctx context.Context, cmd sal.Command) error {
	cmd.Name, cmd.RunAs, cmd.Output = string(j.ID), j.RunAs, j.Output(ctx)
	if cmd.RunAs == "" {
		cmd.RunAs = cloud.RunAsRoot
	}
	cmd.Env = append(cmd.Env, fmt.Sprintf("ATOLL_JOB=%s", j.ID), "ATOLL_NODE="+string(j.agent.Node()))
	exit, err := j.agent.cfg.Node.Processes.Run(ctx, cmd)
	if err != nil {
		return err
	}
	return j.ended(exit)
}
