package control

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/letsencrypt/challtestsrv"

	"atoll/internal/cloud"
	"atoll/internal/store/storetest"
)

func TestCheckSource(t *testing.T) {
	t.Parallel()
	for address, public := range map[string]bool{
		"93.184.215.14:443": true, "[2606:4700::1111]:443": true,
		"127.0.0.1:80": false, "10.1.2.3:80": false, "172.16.0.1:80": false, "192.168.1.1:80": false, "169.254.169.254:80": false,
		"100.64.0.1:80": false, "0.0.0.0:80": false, "224.0.0.1:80": false, "255.255.255.255:80": false, "198.18.0.1:80": false,
		"[::1]:80": false, "[::]:80": false, "[fe80::1%eth0]:80": false, "[fd00::1]:80": false, "[ff02::1]:80": false,
		"[fd00:ec2::254]:80": false, "[::ffff:127.0.0.1]:80": false, "[::ffff:a9fe:a9fe]:80": false, "[64:ff9b::7f00:1]:80": false,
		"[2002:7f00:1::]:80": false, "[::127.0.0.1]:80": false, "[2001:0:7f00:1::]:80": false, "[5f00::1]:80": false,
		"nonsense": false,
	} {
		if err := checkSource(address, nil); (err == nil) != public {
			t.Errorf("checkSource(%s) = %v, want public = %v", address, err, public)
		}
	}
	allowed := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}
	for address, ok := range map[string]bool{
		"10.1.2.3:80": true, "[::ffff:10.1.2.3]:80": true, "[fd00:1::5]:80": true, "93.184.215.14:443": true,
		"10.2.0.1:80": false, "[fd00:2::5]:80": false, "127.0.0.1:80": false, "169.254.169.254:80": false,
	} {
		if err := checkSource(address, allowed); (err == nil) != ok {
			t.Errorf("checkSource(%s) with %v = %v, want allowed = %v", address, allowed, err, ok)
		}
	}
}

// names is a DNS server for what ends in example, and its resolver.
func names(t *testing.T) (*challtestsrv.ChallSrv, *net.Resolver) {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.LocalAddr().String()
	l.Close()
	srv, err := challtestsrv.New(challtestsrv.Config{DNSAddrs: []string{addr}, Log: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)})
	if err != nil {
		t.Fatal(err)
	}
	srv.SetDefaultDNSIPv4("")
	srv.SetDefaultDNSIPv6("")
	go srv.Run()
	t.Cleanup(srv.Shutdown)
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	srv.AddDNSARecord("up.example.", []string{"127.0.0.1"})
	until(t, "answer of the DNS server", func() bool {
		_, err := resolver.LookupHost(t.Context(), "up.example.")
		return err == nil
	})
	return srv, resolver
}

// listenOn serves on an address of loopback and counts the requests.
func listenOn(t *testing.T, address string, h http.Handler) (port string, calls *atomic.Int64) {
	t.Helper()
	calls = &atomic.Int64{}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		h.ServeHTTP(w, r)
	})}}
	srv.Start()
	t.Cleanup(srv.Close)
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, calls
}

// TestImageSources tries the ways to make the controller visit its own network:
// 127.0.0.1 is allowed as a source, 127.0.0.2 stands for everything else inside.
func TestImageSources(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t), private)
	dns, resolver := names(t)
	c.resolver = resolver
	runLoops(t, c.ops.Run, c.fetchImages)
	disk := rawDisk(1024)
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		w.Write(disk)
	})
	inside, visits := listenOn(t, "127.0.0.2:0", serve)
	outside, _ := listenOn(t, "127.0.0.1:0", serve)
	dns.AddDNSARecord("inside.example.", []string{"127.0.0.2"})
	dns.AddDNSARecord("both.example.", []string{"127.0.0.2", "169.254.169.254", "10.0.0.1"})
	dns.AddDNSAAAARecord("mapped.example.", []string{"::ffff:127.0.0.2"})
	dns.AddDNSARecord("moves.example.", []string{"127.0.0.1"})
	via := func(to string) string { return "http://127.0.0.1:" + outside + "/?to=" + url.QueryEscape(to) }

	client := c.fetchClient()
	defer client.CloseIdleConnections()
	for name, source := range map[string]string{
		"address": "http://127.0.0.2:" + inside + "/", "mapped": "http://[::ffff:127.0.0.2]:" + inside + "/",
		"mapped-hex": "http://[::ffff:7f00:2]:" + inside + "/", "zone": "http://[fe80::1%25lo]:" + inside + "/",
		"name": "http://inside.example:" + inside + "/", "names": "http://both.example:" + inside + "/",
		"mapped-name": "http://mapped.example:" + inside + "/",
		"short":       "http://127.2:" + inside + "/", "number": "http://2130706434:" + inside + "/", "octal": "http://0177.0.0.2:" + inside + "/",
		"redirect": via("http://127.0.0.2:" + inside + "/"), "redirect-name": via("http://inside.example:" + inside + "/"),
		"redirect-twice": via(via("http://127.0.0.2:" + inside + "/")),
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := client.Get(source)
			if err == nil {
				resp.Body.Close()
			}
			if err == nil || visits.Load() != 0 {
				t.Errorf("%s: %v, %d visits inside", source, err, visits.Load())
			}
		})
	}
	t.Run("image", func(t *testing.T) { // the image says so, and why
		for name, source := range map[string]string{"address": "http://127.0.0.2:" + inside + "/", "redirect": via("http://inside.example:" + inside + "/")} {
			i, o := createFromURL(t, c, operator, NewImage{Name: name, URL: source, SHA256: sum(disk)})
			if i.State != cloud.ImageFailed || !strings.Contains(o.Error, "no public address") || visits.Load() != 0 {
				t.Errorf("%s: image is %s (%s), %d visits inside", source, i.State, o.Error, visits.Load())
			}
		}
	})
	t.Run("rebinding", func(t *testing.T) {
		good := "http://moves.example:" + outside + "/"
		if i, o := createFromURL(t, c, operator, NewImage{Name: "before", URL: good, SHA256: sum(disk)}); i.State != cloud.ImageReady {
			t.Fatalf("image is %s: %s", i.State, o.Error)
		}
		dns.DeleteDNSARecord("moves.example.")
		dns.AddDNSARecord("moves.example.", []string{"127.0.0.2"})
		i, o := createFromURL(t, c, operator, NewImage{Name: "after", URL: strings.Replace(good, outside, inside, 1), SHA256: sum(disk)})
		if i.State != cloud.ImageFailed || !strings.Contains(o.Error, "no public address") || visits.Load() != 0 {
			t.Errorf("image is %s (%s), %d visits inside", i.State, o.Error, visits.Load())
		}
	})
}
