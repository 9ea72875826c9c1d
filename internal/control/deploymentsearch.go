package control

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sahilm/fuzzy"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// Limits of a search.
const (
	maxSearchWords = 10
	maxSearchWord  = 32    // characters; the score of a longer one would overflow
	maxFuzzyLine   = 128   // bytes: in longer ones, a word is found as a whole or not at all
	maxSearched    = 10000 // deployments
	maxFinds       = 50    // of one deployment
	wholeWord      = 1000  // score of a word that is there as it was written
)

// Find says where a search found its words: ranges of characters, each from the first
// to before the last, in a key (of a label or override) and in a text.
type Find struct {
	Field     string // name, owner, comment, label, application, deployment
	Key       string
	KeyAt, At [][]int64
}

// Found is a deployment that a search found.
type Found struct {
	Deployment cloud.Deployment
	Finds      []Find
}

// searchCursor is the last deployment of a page.
type searchCursor struct {
	Text  string             `json:"q"`
	Score int                `json:"s"`
	ID    cloud.DeploymentID `json:"i"`
}

// SearchDeployments returns a page of the deployments that the caller may see in which
// all words of the text are found, the best first: in the name, owner, comment, labels,
// and keys and values of overrides, as part of one of them, or its letters with others
// between. Values of secrets are not searched.
func (c *Control) SearchDeployments(ctx context.Context, r *Request, q store.Query, text string) (list []Found, next string, err error) {
	words, err := searchWords(text)
	if err != nil {
		return nil, "", err
	}
	if q.Sort != "" {
		return nil, "", cloud.FieldErrorf("sort", "cannot be given with search: what fits best comes first")
	}
	q.Limit = cmp.Or(q.Limit, store.DefaultLimit)
	after, err := readSearchCursor(q.Cursor, text)
	if err != nil {
		return nil, "", err
	}
	q.Cursor = ""
	err = c.view(ctx, func(tx *store.Tx) error {
		texts, err := tx.DeploymentTexts(r.query(cloud.KindDeployment, q), maxSearched+1)
		if err != nil {
			return err
		}
		if len(texts) > maxSearched {
			return cloud.FieldErrorf("search", "would go through more than %d deployments; narrow it by a filter, such as project=ID", maxSearched)
		}
		hits := ranked(texts, words)
		if after != nil {
			hits = slices.DeleteFunc(hits, func(h searchCursor) bool { return compareHits(h, *after) <= 0 })
		}
		if len(hits) > q.Limit {
			hits = hits[:q.Limit]
			last := hits[len(hits)-1]
			last.Text = text
			b, err := json.Marshal(last)
			if err != nil {
				return err
			}
			next = base64.RawURLEncoding.EncodeToString(b)
		}
		list, err = foundOf(tx, hits, words)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return list, next, nil
}

func searchWords(text string) ([]string, error) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 || len(words) > maxSearchWords || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, cloud.FieldErrorf("search", "is 1 to %d words", maxSearchWords)
	}
	for _, w := range words {
		if utf8.RuneCountInString(w) > maxSearchWord {
			return nil, cloud.FieldErrorf("search", "%.40q is too long; a word has at most %d characters", w, maxSearchWord)
		}
	}
	return words, nil
}

func readSearchCursor(cursor, text string) (*searchCursor, error) {
	if cursor == "" {
		return nil, nil
	}
	var at searchCursor
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(b, &at)
	}
	if err != nil || at.Text != text || !cloud.IsID(string(at.ID)) {
		return nil, cloud.FieldErrorf("cursor", "is none that this list gave with the same search; start again without it")
	}
	return &at, nil
}

// compareHits orders what was found: the best first, of those that are as good the newest.
func compareHits(a, b searchCursor) int {
	return cmp.Or(b.Score-a.Score, cmp.Compare(b.ID, a.ID))
}

func ranked(texts []store.DeploymentText, words []string) (hits []searchCursor) {
	for i := range texts {
		if s := textScore(texts[i].Text, words); s > 0 {
			hits = append(hits, searchCursor{Score: s, ID: texts[i].ID})
		}
	}
	slices.SortFunc(hits, compareHits)
	return hits
}

// textScore is how well the words fit to a text of lines, of which the first counts
// most; 0 if one of them is not in it.
func textScore(text string, words []string) (sum int) {
	for _, w := range words {
		best := 0
		first := true
		for line := range strings.Lines(text) {
			s, _ := lineScore(strings.TrimSuffix(line, "\n"), w, false)
			if s > 0 && first {
				s += wholeWord / 4
			}
			best, first = max(best, s), false
		}
		if best == 0 {
			return 0
		}
		sum += best
	}
	return sum
}

// lineScore is how well a word fits to a line, 0 for not at all, and with where the
// bytes of the line that were found. Both are in small letters.
func lineScore(line, word string, where bool) (score int, at []int) {
	if i := strings.Index(line, word); i >= 0 {
		score = wholeWord - min(len(line)-len(word), wholeWord/4)
		if before, _ := utf8.DecodeLastRuneInString(line[:i]); i == 0 || !unicode.IsLetter(before) && !unicode.IsDigit(before) {
			score += wholeWord / 4
		}
		for j := i; where && j < i+len(word); j++ {
			at = append(at, j)
		}
		return score, at
	}
	if len(line) > maxFuzzyLine || !inOrder(line, word) {
		return 0, nil
	}
	found := fuzzy.FindNoSort(word, []string{line})
	if len(found) == 0 || found[0].Score <= 0 { // too scattered for anybody to have meant it
		return 0, nil
	}
	return min(found[0].Score, wholeWord/2), found[0].MatchedIndexes
}

// inOrder reports whether the word's bytes are in the line in their order, which is
// soon seen of most lines.
func inOrder(line, word string) bool {
	for i := range len(word) {
		at := strings.IndexByte(line, word[i])
		if at < 0 {
			return false
		}
		line = line[at+1:]
	}
	return true
}

// foundOf reads what was found, and where.
func foundOf(tx *store.Tx, hits []searchCursor, words []string) ([]Found, error) {
	ids := make([]cloud.DeploymentID, len(hits))
	for i := range hits {
		ids[i] = hits[i].ID
	}
	rows, err := tx.DeploymentsByID(ids)
	if err != nil {
		return nil, err
	}
	out := make([]Found, 0, len(rows))
	for _, id := range ids {
		i := slices.IndexFunc(rows, func(d cloud.Deployment) bool { return d.ID == id })
		if i < 0 {
			continue // deleted at this moment
		}
		out = append(out, Found{*masked(&rows[i]), findsIn(&rows[i], words)})
	}
	return out, nil
}

// findsIn are the places of a deployment where a word is.
func findsIn(d *cloud.Deployment, words []string) (out []Find) {
	look := func(field, key, text string) {
		if len(out) == maxFinds {
			return
		}
		line := text
		if key != "" {
			line = key + "=" + text
		}
		if at := wordsAt(line, words); len(at) > 0 {
			f := Find{Field: field, Key: key}
			keyLen := 0
			if key != "" {
				keyLen = utf8.RuneCountInString(key) + 1
			}
			split, _ := slices.BinarySearch(at, keyLen)
			f.KeyAt, f.At = ranges(at[:split], 0, keyLen-1), ranges(at[split:], keyLen, utf8.RuneCountInString(line))
			out = append(out, f)
		}
	}
	look("name", "", d.Name)
	look("owner", "", d.OwnerName)
	look("comment", "", d.Comment)
	for _, k := range slices.Sorted(maps.Keys(d.Labels)) {
		look("label", k, d.Labels[k])
	}
	for _, list := range []struct {
		field string
		of    cloud.Overrides
	}{{"application", d.Application}, {"deployment", d.Deployment}} {
		for _, o := range list.of {
			if o.Secret {
				o.Value = ""
			}
			look(list.field, o.Key, o.Value)
		}
	}
	return out
}

// wordsAt are the characters of a line where words are, in order, each once.
func wordsAt(line string, words []string) (at []int) {
	low := strings.ToLower(line)
	for _, w := range words {
		_, bytes := lineScore(low, w, true)
		for _, b := range bytes {
			if utf8.RuneStart(low[b]) {
				at = append(at, utf8.RuneCountInString(low[:b]))
			}
		}
	}
	slices.Sort(at)
	return slices.Compact(at)
}

// ranges joins positions that follow each other, counted from a first one, and leaves out
// those from the end on.
func ranges(at []int, from, end int) (out [][]int64) {
	for _, i := range at {
		switch n := len(out); {
		case i >= end:
		case n > 0 && out[n-1][1] == int64(i-from):
			out[n-1][1]++
		default:
			out = append(out, []int64{int64(i - from), int64(i-from) + 1})
		}
	}
	return out
}
