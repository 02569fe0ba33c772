package remote

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// metadataTimeout bounds the question to the machine's own metadata server, which most machines do not have.
const metadataTimeout = 2 * time.Second

// credentials finds credentials in the places where Amazon's tools do: the environment, the profile of the shared
// files, a web identity or a container's role, and the machine's role. If there are none, requests are not signed, as
// for public buckets.
func (p *pool) credentials() *credentials.Credentials {
	return credentials.New(&finder{client: p.client, tried: &p.tried})
}

// finder is a [credentials.Provider] that says why the credentials that the user has set up do not work.
type finder struct {
	client   *http.Client
	retrieve credentials.Provider    // the provider that has answered
	tried    *atomic.Pointer[string] // is set to the places that were searched, when there are no credentials; may be nil
}

// Retrieve implements [credentials.Provider].
func (f *finder) Retrieve() (credentials.Value, error) { return f.RetrieveWithCredContext(nil) }

// RetrieveWithCredContext implements [credentials.Provider].
func (f *finder) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	var tried []string
	for _, from := range f.sources() {
		tried = append(tried, from.name)
		v, err := from.provider.RetrieveWithCredContext(cc)
		if err == nil && v.AccessKeyID != "" && v.SecretAccessKey != "" {
			f.retrieve = from.provider
			return v, nil
		}
		if err != nil && from.wanted {
			return credentials.Value{}, &AnswerError{fmt.Sprintf("no credentials from %s: %v", from.name, withoutURL(err))}
		}
	}
	f.retrieve = nil
	if all := strings.Join(tried, ", "); f.tried != nil {
		f.tried.Store(&all)
	}
	return credentials.Value{SignerType: credentials.SignatureAnonymous}, nil
}

// IsExpired implements [credentials.Provider].
func (f *finder) IsExpired() bool { return f.retrieve == nil || f.retrieve.IsExpired() }

// credentialSource is a place where credentials may be.
type credentialSource struct {
	name     string
	wanted   bool // the user has set it up: a failure is an error
	provider credentials.Provider
}

func (f *finder) sources() []credentialSource {
	profile := os.Getenv("AWS_PROFILE")
	out := []credentialSource{
		{"the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)", false, &credentials.EnvAWS{}},
		{fmt.Sprintf("the profile %q", cmp.Or(profile, "default")), profile != "" || hasRole(profileName()), &profileProvider{client: f.client}},
	}
	role := os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") + os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") + os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	switch {
	case role != "":
		out = append(out, credentialSource{"the role of the environment", true, &credentials.IAM{Client: f.client, Endpoint: os.Getenv("AWS_ENDPOINT_URL_STS")}})
	case !strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true"):
		client := *f.client
		client.Timeout = metadataTimeout
		out = append(out, credentialSource{"the machine's role", false, &credentials.IAM{Client: &client, Endpoint: os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT")}})
	}
	return out
}
