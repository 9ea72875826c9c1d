package rest

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

const csvType = "text/csv; charset=utf-8"

func (s *Server) registerEventExport() {
	op := get("/events:export", "export-events", "Events", "Download events, oldest first, as CSV or lines of JSON")
	op.Description = "All that the query finds up to the newest event there is, streamed. In CSV a cell that a spreadsheet would take for a formula begins with '."
	op.Responses = map[string]*huma.Response{"200": {
		Description: "One event on each line; in CSV after a line of names.",
		Content: map[string]*huma.MediaType{
			"text/csv": {Schema: &huma.Schema{Type: huma.TypeString}},
			ndjson:     {Schema: s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.Event](), true, "")},
		},
	}}
	add(s, op, s.eventExport)
}

type eventExport struct {
	EventsOf
	Filter []string `query:"filter,explode" doc:"As in the list."`
	Format string   `query:"format" enum:"csv,jsonl" doc:"csv, or jsonl; by the header Accept if left out, and else jsonl."`
	Accept string   `header:"Accept"`
}

func (in *eventExport) csv() bool {
	return in.Format == "csv" || in.Format == "" && strings.Contains(in.Accept, "text/csv")
}

// eventWriter writes events in one form.
type eventWriter interface {
	write(list []cloud.Event) error
}

func (s *Server) eventExport(ctx context.Context, r *control.Request, in *eventExport) (*huma.StreamResponse, error) {
	q := control.Query{Filter: in.Filter, Limit: 1}
	if _, _, err := s.control.EventsOf(ctx, r, in.query(), q); err != nil {
		return nil, err // while it can still be answered
	}
	ctx, end, err := s.stream(ctx)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer end()
		_, w := humago.Unwrap(hc)
		out := http.NewResponseController(w)
		name, kind := "events.jsonl", ndjson
		if in.csv() {
			name, kind = "events.csv", csvType
		}
		hc.SetHeader("Content-Type", kind)
		hc.SetHeader("Content-Disposition", `attachment; filename="`+name+`"`)
		hc.SetStatus(http.StatusOK)
		buffer := bufio.NewWriterSize(flusher{w, out, s.ReaderTime}, 64<<10)
		var to eventWriter = jsonEvents{json.NewEncoder(buffer)}
		if in.csv() {
			to = &csvEvents{w: csv.NewWriter(buffer)}
		}
		err := s.control.ExportEvents(ctx, r, in.query(), q, to.write)
		if err == nil {
			err = buffer.Flush()
		}
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("export events", "request_id", r.ID, "err", err)
		}
		if err != nil || ctx.Err() != nil {
			panic(http.ErrAbortHandler) // the reader must see that it is not whole
		}
		_ = out.SetWriteDeadline(time.Time{}) // the connection goes on
	}}, nil
}

type jsonEvents struct{ *json.Encoder }

func (j jsonEvents) write(list []cloud.Event) error {
	for i := range list {
		if err := j.Encode(eventView(&list[i])); err != nil {
			return err
		}
	}
	return nil
}

// csvColumns are the columns of an event.
var csvColumns = []struct {
	name string
	of   func(*api.Event) string
}{
	{"seq", func(e *api.Event) string { return strconv.FormatInt(e.Seq, 10) }},
	{"at", func(e *api.Event) string { return e.At.Format(time.RFC3339Nano) }},
	{"class", func(e *api.Event) string { return e.Class }},
	{"action", func(e *api.Event) string { return e.Action }},
	{"outcome", func(e *api.Event) string { return e.Outcome }},
	{"actor", func(e *api.Event) string { return e.Actor }},
	{"actor_name", func(e *api.Event) string { return e.ActorName }},
	{"credential", func(e *api.Event) string { return e.Credential }},
	{"request_id", func(e *api.Event) string { return e.RequestID }},
	{"address", func(e *api.Event) string { return e.Address }},
	{"account_id", func(e *api.Event) string { return e.AccountID }},
	{"cloudspace_id", func(e *api.Event) string { return e.CloudspaceID }},
	{"project_id", func(e *api.Event) string { return e.ProjectID }},
	{"subject_kind", func(e *api.Event) string { return e.SubjectKind }},
	{"subject_id", func(e *api.Event) string { return e.SubjectID }},
	{"subject_name", func(e *api.Event) string { return e.SubjectName }},
	{"message", func(e *api.Event) string { return e.Message }},
	{"difference", func(e *api.Event) string { return string(e.Difference) }},
	{"hash", func(e *api.Event) string { return e.Hash }},
	{"id", func(e *api.Event) string { return e.ID }},
}

type csvEvents struct {
	w     *csv.Writer
	begun bool
}

func (c *csvEvents) write(list []cloud.Event) error {
	row := make([]string, len(csvColumns))
	if !c.begun {
		c.begun = true
		for i, col := range csvColumns {
			row[i] = col.name
		}
		if err := c.w.Write(row); err != nil {
			return err
		}
	}
	for i := range list {
		e := eventView(&list[i])
		for j, col := range csvColumns {
			row[j] = cell(col.of(&e))
		}
		if err := c.w.Write(row); err != nil {
			return err
		}
	}
	c.w.Flush()
	return c.w.Error()
}

// cell keeps spreadsheets from taking what others wrote for a formula.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
