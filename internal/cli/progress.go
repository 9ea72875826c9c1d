package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"atoll/api"
	"atoll/client"
)

// operationOf returns the live operation of an object, "" for none.
func operationOf(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	var o struct {
		OperationID string `json:"operation_id"`
		WaitingID   string `json:"waiting_id"` // of a deployment: what was asked for last
	}
	err = json.Unmarshal(text, &o)
	return cmp.Or(o.WaitingID, o.OperationID), err
}

// await waits for an operation and shows its progress on a terminal.
func (a *app) await(ctx context.Context, c *client.Client, id string) (*api.Operation, error) {
	var show func(*api.Operation)
	if terminal(a.Stderr) {
		show = func(o *api.Operation) { a.status(progressText(o)) }
		defer a.status("")
	}
	op, err := c.Operations().Wait(ctx, id, show)
	var failed *client.Error
	if err != nil && (!errors.As(err, &failed) || failed.Operation == "") {
		return nil, &waitError{id, err}
	}
	return op, err
}

func progressText(o *api.Operation) string {
	text := fmt.Sprintf("%s %s: %d%%", o.Kind, o.SubjectName, o.Progress)
	if o.Steps > 1 {
		text += fmt.Sprintf(", step %d of %d", min(o.Step+1, o.Steps), o.Steps)
	}
	if o.StepName != "" {
		text += ", " + o.StepName
	}
	if o.Message != "" {
		text += ": " + o.Message
	}
	return printable(text)
}

// status replaces the last line of a terminal; "" clears it.
func (a *app) status(text string) {
	if width := a.width(); len([]rune(text)) >= width {
		text = string([]rune(text)[:max(0, width-1)])
	}
	fmt.Fprint(a.Stderr, "\r\x1b[K"+text)
}

// firstLine is the first line of text that is not empty.
func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if line = printable(line); line != "" {
			return line
		}
	}
	return ""
}
