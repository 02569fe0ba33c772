package remote

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"gopkg.in/ini.v1"
)

// maxRoles bounds a chain of profiles that refer to each other.
const maxRoles = 5

// profileName returns the name of the profile of Amazon's shared files.
func profileName() string { return cmp.Or(os.Getenv("AWS_PROFILE"), "default") }

// setting returns a value of a profile in Amazon's shared files; empty if it has none.
func setting(profile, key string) string {
	for _, f := range []struct{ env, name, section string }{
		{"AWS_SHARED_CREDENTIALS_FILE", "credentials", profile},
		{"AWS_CONFIG_FILE", "config", "profile " + profile},
		{"AWS_CONFIG_FILE", "config", profile}, // of "default"
	} {
		file, err := ini.Load(sharedFile(f.env, f.name))
		if err != nil {
			continue // most files do not have it
		}
		if s, err := file.GetSection(f.section); err == nil && s.Key(key).String() != "" {
			return s.Key(key).String()
		}
	}
	return ""
}

// sharedFile returns the path of a file of Amazon's tools.
func sharedFile(env, name string) string {
	if file := os.Getenv(env); file != "" {
		return file
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".aws", name)
}

// environmentRegion returns the region of the environment or of the profile; empty: not set.
func environmentRegion() string {
	return cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), setting(profileName(), "region"))
}

func hasRole(profile string) bool { return setting(profile, "role_arn") != "" }

// profileProvider finds the credentials of the profile: keys, credentials from a program or a sign-on, or a role.
type profileProvider struct {
	client *http.Client
	credentials.Provider
}

// Retrieve implements [credentials.Provider].
func (p *profileProvider) Retrieve() (credentials.Value, error) {
	return p.RetrieveWithCredContext(nil)
}

// RetrieveWithCredContext implements [credentials.Provider].
func (p *profileProvider) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	v, from, err := p.of(profileName(), cc, maxRoles)
	if err == nil {
		p.Provider = from
	}
	return v, err
}

// IsExpired implements [credentials.Provider].
func (p *profileProvider) IsExpired() bool { return p.Provider == nil || p.Provider.IsExpired() }

// of returns the credentials of a profile, which may lead to other profiles, and the provider that returned them.
func (p *profileProvider) of(profile string, cc *credentials.CredContext, left int) (credentials.Value, credentials.Provider, error) {
	if !hasRole(profile) || setting(profile, "aws_access_key_id") != "" && left < maxRoles {
		own := &credentials.FileAWSCredentials{Profile: profile}
		v, err := own.RetrieveWithCredContext(cc)
		return v, own, err
	}
	if left == 0 {
		return credentials.Value{}, nil, errors.New("its roles lead from one profile to the next without an end")
	}
	role, err := p.role(profile, cc, left)
	if err != nil {
		return credentials.Value{}, nil, err
	}
	v, err := role.RetrieveWithCredContext(cc)
	if err != nil {
		err = fmt.Errorf("the role %s: %w", setting(profile, "role_arn"), withoutURL(err))
	}
	return v, role, err
}

// role returns the provider of the credentials of the role of a profile.
func (p *profileProvider) role(profile string, cc *credentials.CredContext, left int) (credentials.Provider, error) {
	if setting(profile, "mfa_serial") != "" {
		return nil, errors.New("it wants a code of a second factor, which cannot be asked for here: put what \"aws configure export-credentials\" prints into the environment")
	}
	region := environmentRegion()
	if file := setting(profile, "web_identity_token_file"); file != "" {
		iam := &credentials.IAM{Client: p.client, Region: region, Endpoint: os.Getenv("AWS_ENDPOINT_URL_STS")}
		iam.EKSIdentity.TokenFile, iam.EKSIdentity.RoleARN, iam.EKSIdentity.RoleSessionName = file, setting(profile, "role_arn"), setting(profile, "role_session_name")
		return iam, nil
	}
	v, err := p.source(profile, cc, left)
	if err != nil {
		return nil, err
	}
	return &credentials.STSAssumeRole{Client: p.client, STSEndpoint: stsEndpoint(region), Options: credentials.STSAssumeRoleOptions{
		AccessKey: v.AccessKeyID, SecretKey: v.SecretAccessKey, SessionToken: v.SessionToken, Location: cmp.Or(region, "us-east-1"),
		RoleARN: setting(profile, "role_arn"), RoleSessionName: cmp.Or(setting(profile, "role_session_name"), "memlens"), ExternalID: setting(profile, "external_id"),
	}}, nil
}

// source returns the credentials with which a profile assumes its role.
func (p *profileProvider) source(profile string, cc *credentials.CredContext, left int) (v credentials.Value, err error) {
	other, kind := setting(profile, "source_profile"), setting(profile, "credential_source")
	switch {
	case other != "":
		v, _, err = p.of(other, cc, left-1)
	case kind == "Environment":
		v, err = (&credentials.EnvAWS{}).RetrieveWithCredContext(cc)
	case kind == "Ec2InstanceMetadata", kind == "EcsContainer":
		v, err = (&credentials.IAM{Client: p.client}).RetrieveWithCredContext(cc)
	default:
		return v, errors.New("it has a role, and neither a source_profile nor a credential_source by which to take it")
	}
	if err == nil && (v.AccessKeyID == "" || v.SecretAccessKey == "") {
		err = fmt.Errorf("there are no keys in %s", cmp.Or(other, kind))
	}
	return v, err
}

// stsEndpoint returns the URL of the server that gives roles.
func stsEndpoint(region string) string {
	end := ""
	if strings.HasPrefix(region, "cn-") {
		end = ".cn"
	}
	if region != "" {
		region = "." + region
	}
	return cmp.Or(os.Getenv("AWS_ENDPOINT_URL_STS"), setting(profileName(), "sts_endpoint"), "https://sts"+region+".amazonaws.com"+end)
}
