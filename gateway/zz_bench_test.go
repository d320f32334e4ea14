package gateway_test
import ("testing";"net/http";"sort";"time";"fmt";"os";"multinode";"multinode/wire";"multinode/streams";"log/slog";"multinode/gateway")
func TestBench(t *testing.T){
 s:=start(t, func(o *gateway.Options){o.Logger=slog.New(slog.DiscardHandler)})
 p,v:=s.deploy("p",spec("f"))
 path:=functionPath("p","latest","f")+"/invocations"
 med:=func(name string,f func()){ var d []time.Duration; for range 1500 {b:=time.Now(); f(); d=append(d,time.Since(b))}; sort.Slice(d,func(i,j int)bool{return d[i]<d[j]}); fmt.Println(name,"p50",d[750],"p99",d[1485])}
 for range 2 {
 med("noop",func(){s.get("/projects/p").is(200,nil)})
 med("accept raw",func(){ _,err:=s.store.Accept(t.Context(),streams.Request{Key:multinode.InvocationKey{Project:"p",Generation:p.Generation,Function:"f",ID:multinode.NewID("inv")},Version:v.ID,Input:[]byte("[[1],{}]")}); s.must(err)})
 med("start",func(){s.do(http.MethodPost,path,wire.InvocationDefinition{Input:"[[1],{}]"}).is(200,nil)})
 }
 _=os.Args
}
