package up

import (
	"cmp"
	"context"
	"log/slog"
	"os"

	"multinode/dispatcher/build/container"
	"multinode/images"
	"multinode/images/builder"
	"multinode/images/order"
)

// workshop returns the options for making images that all kinds of containers have in
// common. inside is what builds call the repository, apiURL where they reach a gateway.
func (s *System) workshop(c core, d Dispatch, r repository, inside, apiURL string, log *slog.Logger) (container.Options, error) {
	o := container.DefaultOptions()
	o.Store, o.Images, o.Logger = c.store, r.client, log
	o.Repository, o.BuildRepository, o.BuildInsecure = r.name, inside, r.local()
	registry, err := images.RegistryOf(inside)
	if err != nil {
		return o, err
	}
	o.Credentials = func(ctx context.Context) (map[string]order.Credential, error) {
		login, err := r.client.Login(ctx, r.name)
		if err != nil || login == (images.Credential{}) {
			return nil, err
		}
		return map[string]order.Credential{registry: order.Credential(login)}, nil
	}
	o.Base, o.URL = d.Containers.BaseImage, apiURL
	o.CPU = cmp.Or(d.Containers.BuildCPUs, o.CPU)
	o.MemoryGiB = cmp.Or(d.Containers.BuildMemoryGiB, o.MemoryGiB)
	o.Environment = buildEnvironment(os.Environ(), apiURL, "https://"+registry, r.local())
	o.Dir, o.Retain = s.DataDir, r.retain
	ca, err := optionalCA(d.APICA)
	if err != nil {
		return o, err
	}
	if ca != "" {
		o.Environment[builder.CAVariable] = ca
	}
	o.Program, err = d.Containers.program()
	return o, err
}
