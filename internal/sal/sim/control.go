package sim

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

// controlScript returns the control script that a program's name stands for: its
// file in the folder that it runs in.
func controlScript(name string) (cloud.ControlScript, bool) {
	file, ok := strings.CutPrefix(name, "./")
	if !ok {
		return "", false
	}
	i := slices.IndexFunc(cloud.ControlScripts, func(s cloud.ControlScript) bool { return slices.Contains(s.Files(), file) })
	if i < 0 {
		return "", false
	}
	return cloud.ControlScripts[i], true
}

// control plays a control script. It does nothing, at once and well, unless the
// deployment's configuration, which it finds in its arguments, says otherwise:
//
//	sim.SCRIPT.sleep=20ms      how long it takes
//	sim.SCRIPT.exit=1          its exit code
//	sim.SCRIPT.stdout=TEXT     what it writes; of info, a link to the deployment if it is not given
//	sim.SCRIPT.stderr=TEXT     what it writes to standard error, after that
//
// Scripts without the deployment's configuration among their arguments (init,
// deployment_config, deployment_keys, notifications) always end well.
func (p processes) control(ctx context.Context, c *call, cmd sal.Command, s cloud.ControlScript) sal.Exit {
	told := map[string]string{}
	for i := 1; i+1 < len(cmd.Argv); i += 2 {
		key, value := cmd.Argv[i], cmd.Argv[i+1]
		if key == "--deployment-config" {
			key, value, _ = strings.Cut(value, "=")
		}
		told[key] = value
	}
	about := "sim." + string(s) + "."
	text := told[about+"stdout"]
	if _, given := told[about+"stdout"]; s == cloud.ScriptInfo && !given {
		text = "app,http://" + told["--name"] + "." + told["--base-domain"]
	}
	if text != "" {
		text += "\n"
	}
	code := 0
	if exit, ok := told[about+"exit"]; ok {
		var err error
		if code, err = strconv.Atoi(exit); err != nil || code < 0 || code > 255 {
			text, code = about+"exit: "+exit+" is no exit code\n", 2
		}
	}
	delay := c.delay
	if sleep, ok := told[about+"sleep"]; ok {
		d, err := time.ParseDuration(sleep)
		if err != nil || d < 0 {
			text, code = about+"sleep: "+sleep+" is no time such as 20ms\n", 2
		} else {
			delay = addTime(delay, d)
		}
	}
	if err := c.wait(ctx, delay); err != nil {
		return sal.Exit{Code: exitTerminated, Killed: true}
	}
	io.WriteString(cmd.Stdout, text) //nolint:errcheck // as with a real process, whose exit code does not know of its reader
	if said, given := told[about+"stderr"]; given && cmd.Output != nil {
		io.WriteString(cmd.Output, said+"\n") //nolint:errcheck // the same
	}
	return sal.Exit{Code: code}
}
