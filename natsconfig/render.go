package natsconfig

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"net/url"
	"strconv"
	"text/template"

	"multinode"
	"multinode/trust"
)

const (
	// maxMemory is for streams in memory, of which the system makes none.
	maxMemory = 256 << 20
	// routeUser is whom the servers of a cluster know each other as.
	routeUser = "route"
	// clusterName is what the servers call themselves.
	clusterName = "multinode"
)

//go:embed server.conf
var serverText string

// In the configuration's language a string in double quotes is as in JSON.
var serverFile = template.Must(template.New("server.conf").Funcs(template.FuncMap{"quote": strconv.Quote}).Parse(serverText))

// render writes the configuration of one server.
func render(o Options, claims trust.Claims, i int, secret []byte) ([]byte, error) {
	password := hex.EncodeToString(secret)
	var routes []string
	for j, s := range o.Servers {
		if j != i {
			route := url.URL{Scheme: "nats", User: url.UserPassword(routeUser, password), Host: s.routeAddress()}
			routes = append(routes, route.String())
		}
	}
	var text bytes.Buffer
	err := serverFile.Execute(&text, map[string]any{
		"Name": name(i), "Server": o.Servers[i], "Options": o, "Claims": claims,
		"MaxPayload": multinode.MaxPayload, "MaxControlLine": trust.MaxControlLine, "MaxConnections": trust.MaxConnections,
		"MaxMemory": maxMemory, "Cluster": clusterName, "Routes": routes, "RouteUser": routeUser, "RoutePassword": password,
	})
	return text.Bytes(), err
}
