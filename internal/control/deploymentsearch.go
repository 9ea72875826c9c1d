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
	maxSearchWords = 10    // also of a search of pages
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
	name, _, _ := strings.Cut(text, "\n")
	for _, w := range words {
		whole := strings.Contains(text, w)
		best := lineScore(name, w, whole)
		if best > 0 {
			best += wholeWord / 4
		}
		for line := range strings.Lines(text) {
			if best >= 3*wholeWord/2 {
				break // there is nothing better
			}
			best = max(best, lineScore(strings.TrimSuffix(line, "\n"), w, whole))
		}
		if best == 0 {
			return 0
		}
		sum += best
	}
	return sum
}

// lineScore is how well a word fits to a line, 0 for not at all. Both are in small
// letters. Of a word that is somewhere in the text as a whole only that counts.
func lineScore(line, word string, whole bool) int {
	if whole {
		i := strings.Index(line, word)
		if i < 0 {
			return 0
		}
		score := wholeWord - min(len(line)-len(word), wholeWord/4)
		if before, _ := utf8.DecodeLastRuneInString(line[:i]); i == 0 || !unicode.IsLetter(before) && !unicode.IsDigit(before) {
			score += wholeWord / 4
		}
		return score
	}
	score, _ := scattered(line, word)
	return score
}

// scattered is how well the letters of a word fit to a line, and where they are.
func scattered(line, word string) (score int, at []int) {
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

// searched is a text of a deployment.
type searched struct{ field, key, text string }

func (p *searched) line() string {
	if p.key == "" {
		return p.text
	}
	return p.key + "=" + p.text
}

// textsOf are all texts of a deployment that are searched.
func textsOf(d *cloud.Deployment) []searched {
	out := []searched{{"name", "", d.Name}, {"owner", "", d.OwnerName}, {"comment", "", d.Comment}}
	for _, k := range slices.Sorted(maps.Keys(d.Labels)) {
		out = append(out, searched{"label", k, d.Labels[k]})
	}
	add := func(field string, list cloud.Overrides) {
		for _, o := range list {
			if o.Secret {
				o.Value = ""
			}
			out = append(out, searched{field, o.Key, o.Value})
		}
	}
	add("application", d.Application)
	add("deployment", d.Deployment)
	return out
}

// findsIn are the places of a deployment where a word is: as a whole, or where it is
// nowhere so, its letters.
func findsIn(d *cloud.Deployment, words []string) (out []Find) {
	list := textsOf(d)
	lines := make([]string, len(list))
	for i := range list {
		lines[i] = strings.ToLower(list[i].line())
	}
	var whole []bool
	for _, w := range words {
		whole = append(whole, slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, w) }))
	}
	for i, p := range list {
		at := wordsAt(lines[i], words, whole)
		if len(at) == 0 {
			continue
		}
		begin := 0 // of the text in the line
		if p.key != "" {
			begin = utf8.RuneCountInString(p.key) + 1
		}
		split, _ := slices.BinarySearch(at, begin)
		out = append(out, Find{Field: p.field, Key: p.key, KeyAt: ranges(at[:split], 0, begin-1), At: ranges(at[split:], begin, len(lines[i]))})
		if len(out) == maxFinds {
			break
		}
	}
	return out
}

// wordsAt are the characters of a line where words are, in order, each once.
func wordsAt(line string, words []string, whole []bool) (at []int) {
	add := func(b int) {
		if utf8.RuneStart(line[b]) {
			at = append(at, utf8.RuneCountInString(line[:b]))
		}
	}
	for i, w := range words {
		if !whole[i] {
			_, bytes := scattered(line, w)
			for _, b := range bytes {
				add(b)
			}
		} else if begin := strings.Index(line, w); begin >= 0 {
			for b := range len(w) {
				add(begin + b)
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
