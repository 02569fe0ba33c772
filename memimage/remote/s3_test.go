package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
)

// gateway is versitygw, an S3 server over a folder, in a version that .ci/run installs, too.
const gateway = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

// gatewayProgram returns the path of versitygw: an installed program, or a program that go install builds.
func gatewayProgram(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("versitygw"); err == nil {
		return path
	}
	if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
		t.Fatal("versitygw is not installed: go install " + gateway)
	}
	t.Skip("versitygw is not installed: go install " + gateway)
	return ""
}

// serveS3 starts an S3 server over a folder, and sets the environment for it. The folders in it are the buckets.
func serveS3(t testing.TB, dir string) (url string) {
	t.Helper()
	program := gatewayProgram(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.Command(program, "--port", addr, "--access", "tester", "--secret", "secretkey", "--region", "us-east-1", "posix", dir)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			break
		}
		if time.Now().After(end) {
			cmd.Process.Kill()
			cmd.Wait()
			t.Fatalf("versitygw does not serve:\n%s", &log)
		}
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secretkey", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
	} {
		t.Setenv(name, value)
	}
	return "http://" + addr
}

// put puts objects into the bucket "case", by the S3 library.
func put(t testing.TB, server string, files map[string][]byte) {
	t.Helper()
	p, err := newPool(context.Background(), Options{Endpoint: server})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	client, err := p.s3()
	if err != nil {
		t.Fatal(err)
	}
	if ok, _ := client.BucketExists(t.Context(), "case"); !ok {
		if err := client.MakeBucket(t.Context(), "case", minio.MakeBucketOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range files {
		if _, err := client.PutObject(t.Context(), "case", name, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestS3 reads from a real S3 server through a proxy that cuts connections.
func TestS3(t *testing.T) {
	data := random(testSize)
	dir := t.TempDir()
	server := serveS3(t, dir)
	put(t, server, map[string][]byte{"host 1/a+b.raw": data, "host 1/A+b.raw.001": data[:100], "host 1/empty": {}, "host 1/sub/x": {1}, "other": {1}})
	p := before(t, server)
	p.cut = 0.2
	o := Options{Endpoint: p.URL}
	s := opened(t, "s3://case/host 1/a+b.raw", o)
	if got, err := wholly(s, s.Size(), 1<<20); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	p.set(func(p *proxy) { p.cut = 0 })
	if err := sparsetest.Check(s); err != nil {
		t.Error(err)
	}
	if !s.object.pin.strong() || len(s.Notes()) != 0 {
		t.Errorf("pinned by %+v; %q", s.object.pin, s.Notes())
	}
	names, err := s.Names()
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"A+b.raw.001", "a+b.raw", "empty"}) {
		t.Errorf("%q, %v", names, err)
	}
	if other, err := s.Beside("a+B.raw.001"); err != nil || other.Size() != 100 {
		t.Error(err)
	}
	asked := p.requests.Load()
	if _, err := s.Beside("none"); !errors.Is(err, fs.ErrNotExist) || p.requests.Load() != asked {
		t.Errorf("%v, after %d requests", err, p.requests.Load()-asked)
	}
	if empty := opened(t, "s3://case/host 1/empty", o); empty.Size() != 0 {
		t.Error(empty.Size())
	}
	if err := os.WriteFile(filepath.Join(dir, "case", "folder.raw"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	plain := opened(t, "s3://case/folder.raw", o) // the gateway has no ETag for it
	if got, err := wholly(plain, plain.Size(), 1<<20); err != nil || !bytes.Equal(got, data) || len(plain.Notes()) != 1 {
		t.Errorf("%d bytes, %v, %q", len(got), err, plain.Notes())
	}
}

// TestS3Refuses checks that the error says why an object cannot be opened.
func TestS3Refuses(t *testing.T) {
	server := serveS3(t, t.TempDir())
	put(t, server, map[string][]byte{"a.raw": random(1000)})
	for name, c := range map[string]struct{ url, env, value, want string }{
		"no object":   {"s3://case/none", "", "", "404 Not Found (NoSuchKey)"},
		"no bucket":   {"s3://nocase/none", "", "", "404 Not Found (NoSuchBucket)"},
		"bad key":     {"s3://case/a.raw", "AWS_SECRET_ACCESS_KEY", "wrong", "403 Forbidden (SignatureDoesNotMatch)"},
		"bad user":    {"s3://case/a.raw", "AWS_ACCESS_KEY_ID", "nobody", "(XAdminUserNotFound)"},
		"bad profile": {"s3://case/a.raw", "AWS_ACCESS_KEY_ID", "", `no credentials from the profile "nowhere"`},
	} {
		t.Run(name, func(t *testing.T) {
			if c.env != "" {
				t.Setenv(c.env, c.value)
			}
			t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
			t.Setenv("AWS_PROFILE", "nowhere")
			start := time.Now()
			_, err := Open(t.Context(), c.url, Options{Endpoint: server})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secretkey") {
				t.Errorf("%v; want %s", err, c.want)
			}
			if errors.Is(err, fs.ErrNotExist) != strings.HasPrefix(name, "no ") || time.Since(start) > 5*time.Second {
				t.Errorf("is it there? %v, after %v", err, time.Since(start))
			}
		})
	}
}

// TestS3Changes has an object replaced while it is read.
func TestS3Changes(t *testing.T) {
	server := serveS3(t, t.TempDir())
	put(t, server, map[string][]byte{"a.raw": random(testSize)})
	s := opened(t, "s3://case/a.raw", Options{Endpoint: server})
	put(t, server, map[string][]byte{"a.raw": bytes.Repeat([]byte("x"), testSize)})
	b := make([]byte, 10)
	if n, err := s.ReadAt(b, 4<<20); n != 0 || !sparse.Failed(err) || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// assumeRole answers with keys; the id of the key says which role was assumed, and by which user.
func assumeRole(w http.ResponseWriter, r *http.Request) bool {
	_, by, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	by, _, _ = strings.Cut(by, "/2")
	id := r.Form.Get("RoleArn")[len("arn:aws:iam::1:role/"):] + " by " + by + " " + r.Form.Get("ExternalId")
	fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>w</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, id)
	return true
}

func denied(w http.ResponseWriter) bool {
	w.WriteHeader(403)
	io.WriteString(w, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
	return true
}

// TestNobody reads from a bucket without credentials if that is allowed. If it is not, the error says where
// credentials were looked for.
func TestNobody(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "",
		"AWS_SHARED_CREDENTIALS_FILE": none, "AWS_CONFIG_FILE": none, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	data := random(testSize)
	p := before(t, serveFiles(t, map[string][]byte{"case/a.raw": data}).URL)
	p.set(func(p *proxy) {
		p.instead = func(w http.ResponseWriter, r *http.Request) bool { // the server does not tell the region to anonymous users
			return r.URL.Query().Has("location") && denied(w)
		}
	})
	s := opened(t, "s3://case/a.raw", Options{Endpoint: p.URL})
	if got, err := wholly(s, s.Size(), 1<<20); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	p.set(func(p *proxy) { p.instead = func(w http.ResponseWriter, r *http.Request) bool { return denied(w) } })
	_, err := Open(t.Context(), "s3://case/a.raw", Options{Endpoint: p.URL})
	if err == nil || !strings.Contains(err.Error(), `no credentials were found in the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), the profile "default"`) {
		t.Error(err)
	}
}

// TestCredentials finds the keys where Amazon's tools do.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	shared := filepath.Join(dir, "credentials")
	config := filepath.Join(dir, "config")
	token := filepath.Join(dir, "token")
	process := filepath.Join(dir, "process")
	for name, text := range map[string]string{
		shared: "[default]\naws_access_key_id = D\naws_secret_access_key = d\n[case7]\naws_access_key_id = C\naws_secret_access_key = c\n",
		config: "[default]\nregion = eu-west-1\n[profile case7]\nregion = eu-central-1\n" +
			"[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = case7\nexternal_id = x1\n" +
			"[profile second]\nrole_arn = arn:aws:iam::1:role/s\nsource_profile = role\n" +
			"[profile environment]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Environment\n" +
			"[profile token]\nrole_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = " + token + "\n" +
			"[profile mfa]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = case7\nmfa_serial = 1\n" +
			"[profile nothing]\nrole_arn = arn:aws:iam::1:role/r\n" +
			"[profile circle]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = circle\n" +
			"[profile process]\ncredential_process = cat " + process + "\n",
		process: `{"Version": 1, "AccessKeyId": "P", "SecretAccessKey": "p"}`,
		token:   "the token",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sts := before(t, serveFiles(t, nil).URL)
	sts.set(func(p *proxy) {
		p.instead = func(w http.ResponseWriter, r *http.Request) bool {
			r.ParseForm()
			if r.Form.Get("Action") == "AssumeRole" {
				return assumeRole(w, r)
			}
			if r.Form.Get("WebIdentityToken") != "the token" || r.Form.Get("RoleArn") != "arn:aws:iam::1:role/r" {
				w.WriteHeader(400)
				return true
			}
			w.Write([]byte(`<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>W</AccessKeyId><SecretAccessKey>w</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`))
			return true
		}
	})
	none := filepath.Join(dir, "none")
	for name, c := range map[string]struct {
		env         map[string]string
		key, region string // the expected key; with "no " in front: the expected error
	}{
		"role":         {map[string]string{"AWS_PROFILE": "role", "AWS_ENDPOINT_URL_STS": sts.URL}, "r by C x1", ""},
		"second role":  {map[string]string{"AWS_PROFILE": "second", "AWS_ENDPOINT_URL_STS": sts.URL}, "s by r by C x1 ", ""},
		"role by keys": {map[string]string{"AWS_PROFILE": "environment", "AWS_ENDPOINT_URL_STS": sts.URL, "AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "e"}, "E", ""},
		"role by file": {map[string]string{"AWS_PROFILE": "token", "AWS_ENDPOINT_URL_STS": sts.URL}, "W", ""},
		"mfa":          {map[string]string{"AWS_PROFILE": "mfa"}, "no a code of a second factor", ""},
		"no source":    {map[string]string{"AWS_PROFILE": "nothing"}, "no neither a source_profile", ""},
		"circle":       {map[string]string{"AWS_PROFILE": "circle"}, "no without an end", ""},
		"no such role": {map[string]string{"AWS_PROFILE": "role", "AWS_ENDPOINT_URL_STS": sts.URL + "/none"}, "r by C x1", ""},
		"process":      {map[string]string{"AWS_PROFILE": "process"}, "P", ""},
		"environment":  {map[string]string{"AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "e", "AWS_REGION": "us-west-2"}, "E", "us-west-2"},
		"default":      {nil, "D", "eu-west-1"},
		"profile":      {map[string]string{"AWS_PROFILE": "case7"}, "C", "eu-central-1"},
		"web identity": {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": none, "AWS_CONFIG_FILE": none, "AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::1:role/r", "AWS_ENDPOINT_URL_STS": sts.URL}, "W", ""},
		"nobody":       {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": none, "AWS_CONFIG_FILE": none}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
				t.Setenv(v, "")
			}
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", shared)
			t.Setenv("AWS_CONFIG_FILE", config)
			t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			p, err := newPool(t.Context(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.close()
			v, err := (&finder{client: p.client}).Retrieve()
			if want, fails := strings.CutPrefix(c.key, "no "); fails {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %s", err, want)
				}
				return
			}
			if err != nil || v.AccessKeyID != c.key || environmentRegion() != c.region {
				t.Errorf("%s, %v, region %s", v.AccessKeyID, err, environmentRegion())
			}
		})
	}
}
