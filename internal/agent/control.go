package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// ProcessBundle runs the control scripts of the bundle builtin:process.
type ProcessBundle interface {
	// Run does what the script does, with its answer to stdout, and returns its exit
	// code. It never writes to both at the same time. fetch returns the folder of an archive: that of the installation with the
	// checksum, or the one at the URL.
	Run(ctx context.Context, run *wire.ControlRun, runAs string, stdout, stderr io.Writer, fetch FetchArchive) (int, error)
	// Used returns when the script's deployment was used last, 0 if that was not seen.
	Used(run *wire.ControlRun) cloud.Time
}

// FetchArchive returns the folder of an unpacked archive; url "" is the installation's.
type FetchArchive = func(ctx context.Context, url, sha256 string) (string, error)

// controlJob is a control script that is being run.
type controlJob struct {
	*Job
	run     wire.ControlRun
	out     io.Writer // the job's output, for what may go on after the job …
	errors  io.Writer // … and what of it is standard error
	secrets []string
	answer  answer
}

// answer keeps what a script writes to its standard output.
type answer struct {
	text      bytes.Buffer
	truncated bool
}

func (a *answer) Write(p []byte) (int, error) {
	n := min(len(p), cloud.MaxControlStdout-a.text.Len())
	a.truncated = a.truncated || n < len(p)
	a.text.Write(p[:n])
	return len(p), nil
}

func controlRun(ctx context.Context, j *Job) (any, error) {
	c := &controlJob{Job: j}
	if err := j.decode(&c.run); err != nil {
		return nil, err
	}
	switch {
	case j.RunAs == "" || j.RunAs == cloud.RunAsRoot:
		return nil, cloud.Errorf(cloud.Denied, "a control script never runs as root")
	case !slices.Contains(cloud.ControlScripts, c.run.Script):
		return nil, cloud.FieldErrorf("script", "%q is no control script that this agent knows; update the agent", c.run.Script)
	}
	for _, kv := range slices.Concat(c.run.Deployment, c.run.Application, c.run.Env) {
		if kv.Secret {
			c.secrets = append(c.secrets, kv.Value)
		}
	}
	if err := c.room(ctx); err != nil {
		return nil, err
	}
	out := j.Output(ctx)
	c.out, c.errors = out, out.apart()
	result, err := c.script(ctx)
	if err != nil {
		return nil, err
	}
	j.result.ExitCode = int64(result.ExitCode)
	return result, nil
}

// script runs the script.
func (c *controlJob) script(ctx context.Context) (*wire.ControlResult, error) {
	stderr := newRedactor(c.errors, c.secrets)
	writers := []io.Writer{c.out}
	if c.run.Script.Answers() {
		writers = append(writers, &c.answer)
	}
	stdout := newRedactor(io.MultiWriter(writers...), c.secrets)
	exit, missing, err := c.start(ctx, stdout, stderr)
	err = errors.Join(err, stdout.Close(), stderr.Close())
	if err != nil {
		return nil, err
	}
	var used cloud.Time
	if a := c.agent; c.run.Script == cloud.ScriptCheck && c.run.Bundle.Kind == cloud.BundleProcess && a.cfg.Process != nil && !a.cfg.Node.Simulated {
		used = a.cfg.Process.Used(&c.run)
	}
	return &wire.ControlResult{
		UsedAt: used, ExitCode: exit.Code, TimedOut: exit.Killed, Detail: exit.Detail, Missing: missing,
		Stdout: strings.ToValidUTF8(strings.ReplaceAll(c.answer.text.String(), "\x00", "\uFFFD"), "\uFFFD"), Truncated: c.answer.truncated,
	}, nil
}

// start finds the script and runs it within its time. An exit that is Killed was
// ended by that time; the end of ctx is an error.
func (c *controlJob) start(ctx context.Context, stdout, stderr io.Writer) (exit sal.Exit, missing bool, err error) {
	a := c.agent
	var cmd sal.Command
	switch {
	case a.cfg.Node.Simulated:
		cmd.Argv = []string{"./" + c.run.Script.Files()[0]}
	case c.run.Bundle.Kind == cloud.BundleProcess:
		exit, err := c.process(ctx, stdout, stderr)
		return exit, false, err
	default:
		if cmd, missing, err = c.prepare(ctx); err != nil || missing {
			return exit, missing, err
		}
	}
	cmd.Name, cmd.Stdout, cmd.Output = string(c.ID), stdout, stderr
	limited, cancel := c.limit(ctx)
	defer cancel()
	exit, err = c.execute(limited, cmd)
	return exit, false, c.timed(ctx, &exit, err)
}

// limit bounds the script's own time.
func (c *controlJob) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.run.TimeoutS <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(c.run.TimeoutS)*time.Second)
}

// timed tells the script's time limit apart from the end of the job.
func (c *controlJob) timed(job context.Context, exit *sal.Exit, err error) error {
	c.result.Simulated = c.result.Simulated || exit.Simulated
	switch {
	case job.Err() != nil:
		return errors.Join(context.Cause(job), err)
	case err == nil && exit.Killed:
		exit.Detail = fmt.Sprintf("the script was ended after its time limit of %ds", c.run.TimeoutS)
	}
	return err
}

func (c *controlJob) process(ctx context.Context, stdout, stderr io.Writer) (sal.Exit, error) {
	a := c.agent
	if a.cfg.Process == nil {
		return sal.Exit{}, cloud.Errorf(cloud.Invalid, "this node runs no deployments that are processes: its agent is not root, or has no cgroups for them")
	}
	limited, cancel := c.limit(ctx)
	defer cancel()
	code, err := a.cfg.Process.Run(limited, &c.run, c.RunAs, stdout, stderr, a.fetchArchive)
	exit := sal.Exit{Code: code, Killed: limited.Err() != nil && err != nil}
	if exit.Killed {
		exit.Code, err = 128+15, nil
	}
	return exit, c.timed(ctx, &exit, err)
}

// prepare finds the script in its bundle, after its init has run.
func (c *controlJob) prepare(ctx context.Context) (cmd sal.Command, missing bool, err error) {
	folder, version, err := c.agent.bundle(ctx, c.run.Bundle)
	if err != nil {
		return cmd, false, err
	}
	file, err := findScript(folder, c.run.Script)
	if err != nil || file == "" {
		return cmd, err == nil, err
	}
	if c.run.Script != cloud.ScriptInit {
		if err := c.init(ctx, folder, version); err != nil {
			return cmd, false, err
		}
	}
	return c.command(folder, file), false, nil
}

// findScript returns the path of a script's file; "" if the bundle has none and may
// do without it. It looks nowhere else: the agent may read what the project may not,
// and a link must not tell it what there is.
func findScript(folder string, s cloud.ControlScript) (string, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return "", cloud.FieldErrorf("bundle", "the folder %s of the control scripts cannot be read on this runner: %v", folder, errors.Unwrap(err))
	}
	defer root.Close()
	for _, name := range s.Files() {
		path := filepath.Join(folder, name)
		link, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var st fs.FileInfo
		if err == nil {
			st, err = root.Stat(name)
		}
		switch {
		case err != nil && link != nil && link.Mode()&fs.ModeSymlink != 0:
			return "", cloud.FieldErrorf("script", "%s in the control scripts is a link that leads to none of them; put the file itself there", name)
		case err != nil:
			return "", cloud.FieldErrorf("script", "%s cannot be read on this runner: %v", name, errors.Unwrap(err))
		case !st.Mode().IsRegular():
			return "", cloud.FieldErrorf("script", "%s in the control scripts is no file", name)
		case st.Mode()&0o111 == 0:
			return "", cloud.FieldErrorf("script", "%s in the control scripts is not executable: chmod +x %s, and add the bundle again", name, name)
		}
		return path, nil
	}
	if s.Optional() {
		return "", nil
	}
	return "", cloud.FieldErrorf("script", "the control scripts have no file %s: add one that is executable (#!/bin/sh and exit 0 is enough if there is nothing to do)",
		strings.Join(s.Files(), " or "))
}

// command is the script with its arguments, environment and secrets.
func (c *controlJob) command(folder, file string) sal.Command {
	r := &c.run
	cmd := sal.Command{Argv: []string{file}}
	if r.Bundle.Kind != cloud.BundleFolder {
		cmd.Show = []string{folder}
	}
	own := map[string]bool{"PATH": true, "HOME": true}
	for _, kv := range []cloud.KeyValue{
		{Key: "PATH", Value: folder + ":" + sal.SearchPath},
		{Key: "PROJECT_NAME", Value: r.ProjectName},
		{Key: "BASE_DOMAIN", Value: r.BaseDomain},
		{Key: "NAMESPACE", Value: r.Namespace},
	} {
		cmd.Env = append(cmd.Env, kv.Key+"="+kv.Value)
		own[kv.Key] = true
	}
	for _, kv := range r.Env {
		if !own[kv.Key] && !strings.HasPrefix(kv.Key, "ATOLL_") {
			cmd.Env = append(cmd.Env, kv.Key+"="+kv.Value)
		}
	}
	if files := secretFiles(r); len(files) > 0 {
		cmd.Files = files
		cmd.Env = append(cmd.Env, "ATOLL_SECRETS_FILE="+filepath.Join(sal.FilesDir, secretsFile))
	}
	return cmd
}

// secretsFile holds all secret values of the configuration, as JSON.
const secretsFile = "secrets.json"

func secretFile(list string, i int) string { return fmt.Sprintf("%s/%s-%d", sal.FilesDir, list, i) }

// secretFiles are the files that hold the secret values of the configuration: one
// for each, to which its argument refers, and one with all of them.
func secretFiles(r *wire.ControlRun) map[string][]byte {
	files := map[string][]byte{}
	all := map[string]map[string]string{"application": {}, "deployment": {}}
	for list, kvs := range map[string][]cloud.KeyValue{"application": r.Application, "deployment": r.Deployment} {
		for i, kv := range kvs {
			if kv.Secret {
				files[filepath.Base(secretFile(list, i))] = []byte(kv.Value)
				all[list][kv.Key] = kv.Value
			}
		}
	}
	if len(files) == 0 {
		return nil
	}
	b, err := json.Marshal(all)
	if err != nil {
		return nil // maps of strings always have a JSON form
	}
	files[secretsFile] = b
	return files
}

// execute runs a prepared command as the project's user.
func (c *controlJob) execute(ctx context.Context, cmd sal.Command) (sal.Exit, error) {
	cmd.RunAs = c.RunAs
	script := c.run.Script
	if strings.HasPrefix(cmd.Name, initPrefix) {
		script = cloud.ScriptInit
	}
	cmd.Argv = append(cmd.Argv, script.Argv(c.run.Args(), secretFile)...)
	cmd.Env = append(cmd.Env, "ATOLL_JOB="+string(c.ID), "ATOLL_NODE="+string(c.agent.Node()))
	return c.agent.cfg.Node.Processes.Run(ctx, cmd)
}
