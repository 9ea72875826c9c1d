package job

import (
	"iter"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// bare reports whether nothing waits for the job and no account has it: jobs of
// accounts have one of the three.
func bare(j *cloud.Job) bool { return j.Key == "" && j.OperationID == "" && j.SubjectKind == "" }

// changed has Hooks.Changed called with the jobs. It costs as much for one as for
// many when nobody reads them.
func (q *Queue) changed(tx *store.Tx, jobs iter.Seq2[cloud.JobID, bool]) {
	if q.hooks.Changed != nil {
		tx.OnEnd(func(store.End) { q.hooks.Changed(jobs) })
	}
}

// changes gives jobs the form that changed takes.
func changes(jobs []*cloud.Job) iter.Seq2[cloud.JobID, bool] {
	return func(yield func(cloud.JobID, bool) bool) {
		for _, j := range jobs {
			if !yield(j.ID, bare(j)) {
				return
			}
		}
	}
}

// refChanges is changes for leases, of which isBare, of as many, says what is
// known; nil knows nothing.
func refChanges(refs []store.JobRef, isBare []bool) iter.Seq2[cloud.JobID, bool] {
	return func(yield func(cloud.JobID, bool) bool) {
		for i, ref := range refs {
			if !yield(ref.ID, isBare != nil && isBare[i]) {
				return
			}
		}
	}
}
