package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"multinode/wire"
)

func TestKeysList(t *testing.T) {
	f := newFake(t)
	f.answers("GET /api-keys", wire.APIKeysList{APIKeys: []wire.APIKeyInfo{
		{KeyID: "key-2", Name: "ci", Role: wire.RoleDeploy, ProjectName: ptr("p"), CreationTime: noon, ExpirationTime: ptr(int64(noon + 1))},
		{KeyID: "key-3", Name: "phone", Role: wire.RoleRead, CreationTime: noon, ExpirationTime: ptr(int64(4_000_000_000))},
		{KeyID: "key-1", Name: "up", Role: wire.RoleAdmin, CreationTime: noon, IsServersOwn: true},
	}})
	s := newShell(t, f)
	s.expect(exitOK, `KEY ID  NAME                   ROLE    PROJECT  CREATED              EXPIRES
key-2   ci                     deploy  p        2023-11-14 22:13:20  has expired
key-3   phone                  read    all      2023-11-14 22:13:20  2096-10-02 07:06:40
key-1   up (the server's own)  admin   all      2023-11-14 22:13:20  never
`, "", "keys", "list")
	_, out, _ := s.run("keys", "list", "--json")
	var list wire.APIKeysList
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.APIKeys) != 3 || list.APIKeys[0].Name != "ci" {
		t.Errorf("%v: %s", err, out)
	}
	if code, out, _ := s.run("__complete", "keys", "revoke", ""); code != exitOK || out != "key-2\tci\nkey-3\tphone\n:4\n" {
		t.Errorf("completion: %d, %q", code, out)
	}
}

func TestKeysCreate(t *testing.T) {
	f := newFake(t)
	made := wire.CreatedAPIKey{APIKeyInfo: wire.APIKeyInfo{KeyID: "key-1", Name: "ci", Role: wire.RoleDeploy}, Key: "mn-secret"}
	f.answers("POST /api-keys", made)
	s := newShell(t, f)
	s.expect(exitOK, "mn-secret\n", "This is shown once: keep it safe. `multinode keys revoke key-1` ends it.\n",
		"keys", "create", "--name=ci", "--role=deploy", "--project-name=my project")
	if got := f.asked()[0]; got != `POST /api-keys {"name":"ci","role":"deploy","project_name":"my project","expiration_time":null}` {
		t.Error(got)
	}
	before := time.Now().Unix()
	code, out, _ := s.run("keys", "create", "--name=ci", "--role=read", "--expires=1h", "--json")
	if code != exitOK || !strings.Contains(out, `"key": "mn-secret"`) {
		t.Errorf("--json: %d, %s", code, out)
	}
	var d wire.APIKeyDefinition
	if err := json.Unmarshal([]byte(strings.TrimPrefix(f.asked()[1], "POST /api-keys ")), &d); err != nil ||
		d.ProjectName != nil || *d.ExpirationTime < before+3600 || *d.ExpirationTime > time.Now().Unix()+3600 {
		t.Errorf("%v: %+v", err, d)
	}
}

func TestKeysRevoke(t *testing.T) {
	f := newFake(t)
	f.answers("DELETE /api-keys/key-1", wire.APIKeyInfo{KeyID: "key-1", Name: "ci"})
	s := newShell(t, f)
	s.expect(exitOK, "", "✓ The API key key-1 (ci) is revoked.\n", "keys", "revoke", "key-1")
	refuse := func(id string, status int, detail string) {
		f.on("DELETE /api-keys/"+id, func(w http.ResponseWriter, _ *http.Request) {
			reply(w, status, wire.ErrorBody{Detail: detail})
		})
	}
	refuse("key-2", http.StatusNotFound, "An API key with this ID does not exist")
	s.expect(exitFailure, "", "Error: there is no API key with the ID \"key-2\". Run `multinode keys list` to see those that are\n", "keys", "revoke", "key-2")
	refuse("key-3", http.StatusConflict, "This API key is the server's own.")
	s.expect(exitFailure, "", "Error: This API key is the server's own.\n", "keys", "revoke", "key-3")
	refuse("key-4", http.StatusForbidden, `This API key has the role "read"; this takes the role "admin"`)
	s.expect(exitFailure, "", "Error: revoke API key: This API key has the role \"read\"; this takes the role \"admin\" (HTTP 403)\n", "keys", "revoke", "key-4")
}

func TestWrongUseOfKeys(t *testing.T) {
	s := newShell(t, nil)
	for args, want := range map[string]string{
		"keys":                             "name one of create, list and revoke, as in `multinode keys list`",
		"keys create --name=x":             "--role is missing. Run `multinode keys create --help` for an example",
		"keys create --role=read":          "--name is missing. Run `multinode keys create --help` for an example",
		"keys create --name=x --role=king": "there is no role \"king\". Choose one of admin, deploy, invoke, read with --role",
		"keys create --name=x --role=read --expires=0s": "--expires is 0s, and must be at least 1s",
		"keys revoke": "KEY_ID is missing. Run `multinode keys revoke --help` for an example",
	} {
		s.expect(exitUsage, "", "Error: "+want+"\n", strings.Fields(args)...)
	}
	code, out, _ := s.run("keys", "--help")
	if code != exitOK {
		t.Errorf("keys --help: exit code %d", code)
	}
	contains(t, out, "admin   manage API keys", "--project-name", "multinode keys revoke")
}

func TestKeysOfARealServer(t *testing.T) {
	s := startServer(t, t.TempDir())
	admin, reader := s.login(), newShell(t, nil)
	out, _ := admin.mustRun("keys", "create", "--name=reader", "--role=read", "--json")
	var made wire.CreatedAPIKey
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	reader.mustRun("login", "--url="+s.URL, "--key="+made.Key)
	reader.mustRun("list")
	contains(t, reader.mustFail(exitFailure, "keys", "list"), `the role "read"; this takes the role "admin"`)
	contains(t, reader.mustFail(exitFailure, "upgrade", project(t, map[string]string{"main.py": "x"}), "--project-name=p", "--deploy"),
		`This API key has the role "read"; this takes the role "deploy"`)
	out, _ = admin.mustRun("keys", "list")
	contains(t, out, made.KeyID, "reader", "up (the server's own)")
	admin.mustRun("keys", "revoke", made.KeyID)
	contains(t, reader.mustFail(exitFailure, "list"), "the server does not accept this API key")
	var list wire.APIKeysList
	out, _ = admin.mustRun("keys", "list", "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.APIKeys) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	contains(t, admin.mustFail(exitFailure, "keys", "revoke", list.APIKeys[0].KeyID), "start the server with another one in MULTINODE_API_KEY")
}
