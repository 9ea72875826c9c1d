package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/control"
)

// maxBody is the largest body that a request with an Idempotency-Key may have:
// that of jobs:batch.
const maxBody = 16 << 20

// once does a POST with an Idempotency-Key once and answers the next with the
// same key alike.
func (s *Server) once(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		c := callOf(r.Context())
		if key == "" || r.Method != http.MethodPost || c.request == nil || r.URL.Query().Get("dry_run") == "true" {
			next.ServeHTTP(w, r)
			return
		}
		if strings.HasSuffix(r.URL.Path, ":upload") {
			s.refuse(w, r, cloud.FieldErrorf("Idempotency-Key", "does not go with an upload; the name of what is uploaded is unique already"))
			return
		}
		_ = c.conn.SetReadDeadline(time.Now().Add(s.BodyTime)) // a test's recorder has none
		hash, err := hashRequest(w, r)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		before, err := s.control.BeginOnce(r.Context(), c.request, key, hash)
		switch {
		case err != nil:
			s.refuse(w, r, err)
		case before != nil:
			s.repeat(w, r, before)
		default:
			s.keep(w, r, next)
		}
	})
}

// hashRequest is of all that makes a request the same. It leaves the body to be
// read again.
func hashRequest(w http.ResponseWriter, r *http.Request) (string, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return "", cloud.Errorf(cloud.TooLarge, "the request's body has more than %d bytes", maxBody)
	}
	if err != nil {
		return "", cloud.Wrap(cloud.Invalid, err, "the request's body ended early")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n", r.Method, r.URL.RequestURI()) // a hash does not fail
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// repeat answers as the first time.
func (s *Server) repeat(w http.ResponseWriter, r *http.Request, a *control.Answer) {
	if a.Body == "" && a.Status != http.StatusNoContent {
		s.refuse(w, r, cloud.Errorf(cloud.Conflict, "the request with this Idempotency-Key was done; what it answered was secret and is not shown again"))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Idempotency-Replayed", "true")
	w.WriteHeader(a.Status)
	io.WriteString(w, a.Body) // the caller is gone if it fails
}

// tee keeps a copy of what is answered.
type tee struct {
	recorder
	copy bytes.Buffer
}

// Write writes to both.
func (t *tee) Write(p []byte) (int, error) {
	t.copy.Write(p)
	return t.recorder.Write(p)
}

// keep does the request and has its answer stored. Only success is stored: what
// failed may be sent again.
func (s *Server) keep(w http.ResponseWriter, r *http.Request, next http.Handler) {
	t := &tee{recorder: recorder{ResponseWriter: w}}
	c := callOf(r.Context())
	defer func() {
		if t.status < 200 || t.status >= 300 {
			return
		}
		a := control.Answer{Status: t.status}
		if !c.secret {
			a.Body = t.copy.String()
		}
		s.control.EndOnce(r.Context(), c.request, a)
	}()
	next.ServeHTTP(t, r)
}
