package archtest

// imports is the import table of docs/architecture.md: for each package with Go files, the
// packages of ours that its files may import. A package that is missing here is a failure.
// Keys and values are folders from the root of the repository.
var imports = map[string][]string{
	"api":                       {},
	"client":                    {"api"},
	"internal/agent":            {"internal/wire", "internal/cloud", "internal/sal", "internal/script", "internal/pki", "internal/bundle"},
	"internal/archtest":         {},
	"internal/authz":            {"internal/cloud"},
	"internal/backup":           {"internal/cloud", "internal/store", "internal/blob", "internal/pki"},
	"internal/blob":             {},
	"internal/bundle":           {"internal/cloud"},
	"internal/cli":              {"client", "api", "internal/octopod", "internal/octopod/database"},
	"internal/cli/octo":         {"internal/octopod"},
	"internal/cloud":            {},
	"internal/control":          {"internal/cloud", "internal/wire", "internal/store", "internal/authz", "internal/job", "internal/op", "internal/reconcile", "internal/script", "internal/blob", "internal/pki", "internal/schedule", "internal/bundle", "internal/wiki"},
	"internal/demo":             {"client", "api", "examples/pages"},
	"internal/exchange":         {"internal/wire", "internal/cloud", "internal/control", "internal/job", "internal/script", "internal/blob", "internal/pki"},
	"internal/job":              {"internal/cloud", "internal/store", "internal/wire"},
	"internal/octopod":          {},
	"internal/octopod/database": {"internal/octopod"},
	"internal/oidc":             {"internal/cloud"},
	"internal/op":               {"internal/cloud", "internal/store", "internal/job", "internal/wire"},
	"internal/pki":              {},
	"internal/process":          {"internal/cloud", "internal/wire", "internal/sal"},
	"internal/reconcile":        {"internal/cloud"},
	"internal/rest":             {"api", "internal/cloud", "internal/control", "internal/octopod", "internal/oidc", "internal/wiki"},
	"internal/sal":              {"internal/cloud", "internal/wire"},
	"internal/schedule":         {"internal/cloud"},
	"internal/script":           {"internal/cloud", "internal/schedule"},
	"internal/store":            {"internal/cloud"},
	"internal/wiki":             {"internal/cloud"},
	"internal/wire":             {"internal/cloud"},

	// The drivers, one folder each.
	"internal/sal/host":    {"internal/cloud", "internal/wire", "internal/sal"},
	"internal/sal/network": {"internal/cloud", "internal/wire", "internal/sal"},
	"internal/sal/qemu":    {"internal/cloud", "internal/wire", "internal/sal"},
	"internal/sal/sim":     {"internal/cloud", "internal/wire", "internal/sal"},
	"internal/sal/volume":  {"internal/cloud", "internal/wire", "internal/sal"},

	// Test support: see testOnly.
	"internal/op/optest":       {"internal/cloud", "internal/store", "internal/job", "internal/op"},
	"internal/sal/saltest":     {"internal/cloud", "internal/wire", "internal/sal"},
	"internal/store/pgtest":    {},
	"internal/store/storetest": {"internal/cloud", "internal/store"},

	// What the product ships or is measured with, beside its own code.
	"images":         {},
	"web":            {},
	"examples/pages": {},
}

// free lists the folders whose packages, at any depth, may import everything of ours: the
// programs that wire it together, and what drives the whole from outside.
var free = []string{"cmd", "bench", "test"}

// testOnly lists the packages that only test files, each other and the test folders may import.
var testOnly = []string{
	"internal/archtest",
	"internal/op/optest",
	"internal/sal/saltest",
	"internal/store/pgtest",
	"internal/store/storetest",
}

// forTests lists what every test file may import beyond its package's own row, and what stands
// in that row's rows: the test support, the simulated node, the processes of a real one, and the
// volumes that machines need.
var forTests = append([]string{"internal/sal/sim", "internal/sal/host", "internal/sal/volume"}, testOnly...)

// banned lists imports that are wrong everywhere, with what to use in their place.
var banned = map[string]string{
	"math/rand":                   "use math/rand/v2, or crypto/rand for what must not be guessed",
	"github.com/stretchr/testify": "use plain testing with go-cmp",
	"io/ioutil":                   "use io and os",
	"log":                         "use log/slog",
	"text/template":               "use os.Expand: with templates in it the linker keeps every method of every type, a quarter of the program",
	"html/template":               "use os.Expand and html.EscapeString: with templates in it the linker keeps every method of every type, a quarter of the program",
}

// owners lists the technology of a layer, which stays in it: folders whose packages may import
// it, at any depth. Test files, free and testOnly may use it too.
var owners = map[string][]string{
	"database/sql":                  {"internal/store"},
	"github.com/jackc/pgx":          {"internal/store", "internal/octopod"},
	"modernc.org/sqlite":            {"internal/store"},
	"github.com/pressly/goose":      {"internal/store"},
	"github.com/danielgtaylor/huma": {"internal/rest", "api"},
	"github.com/spf13/cobra":        {"internal/cli"},
	"github.com/vishvananda":        {"internal/sal"},
	"gocloud.dev":                   {"internal/blob"},
	"github.com/yuin/goldmark":      {"internal/wiki"},
	"github.com/microcosm-cc":       {"internal/wiki"},
}

// only lists packages that are restricted to the standard library and these modules.
var only = map[string][]string{
	"internal/cloud": {"github.com/google/uuid"},
}

const (
	maxFileLines = 700
	maxFuncLines = 100
)
