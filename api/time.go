package api

import "time"

// Time is a moment, in JSON in RFC 3339. The zero time is left out of answers.
type Time = time.Time
